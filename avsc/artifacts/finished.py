"""Fill a directory with prediction files, making only those that no earlier run has made.

A file is named by a key of all that determines its content, and the key stands in the file as well.
DVC removes a stage's output before the stage runs, so finished files are kept in .avsc/<out>/. What
is missing there is taken from the stage's previous output: see previous.py.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from avsc.artifacts import predictions, sealed_json
from avsc.artifacts.extraction import WORK, link
from avsc.artifacts.previous import Previous

INDEX = "cells.json"

log = logging.getLogger(__name__)


def fill(
    out: Path,
    index: Sequence[Mapping[str, Any]],
    make: Callable[[set[str], Path], Iterable[object]],
) -> set[str]:
    """Make `out` hold the files of `index` and it as cells.json; return the keys of files made now.

    Args:
        out: a directory, relative to the root of the DVC repository.
        index: a row for each file `<key>.parquet`, with its `key`.
        make: (missing keys, directory) -> a stream; at its end the directory holds the files. Not
            called if none is missing.

    Raises:
        NotWrittenError: if the disk is full, read-only or broken; `out` is as it was.
    """
    store, wanted = WORK / out, {f"{row['key']}.parquet" for row in index}
    missing = {name for name in wanted if not _is_whole(store / name)}
    if missing:
        previous = Previous(out)
        missing -= {n for n in missing if previous.fetch(n, store / n) and _is_whole(store / n)}
    store.mkdir(parents=True, exist_ok=True)
    made = {Path(name).stem for name in missing}
    for _ in make(made, store) if made else ():
        pass
    sealed_json.write(store / INDEX, {"cells": list(index)})
    out.mkdir(parents=True, exist_ok=True)
    for path in (*out.iterdir(), *store.glob("*.parquet")):
        if path.name not in wanted:
            path.unlink()
    for name in (*wanted, INDEX):  # last: INDEX marks the folder complete
        link(store / name, out / name)
    return made


def _is_whole(path: Path) -> bool:
    """Return whether a file is there, as it was written and under its name."""
    if not path.is_file():
        return False
    try:
        if (key := predictions.key_of(path)) == path.stem:
            return True
        log.warning("made again: %s holds the predictions of key %s", path, key)
    except ValueError as error:
        log.warning("made again: %s", error)
    return False
