"""metrics/ as a whole: every JSON file and every table in it, for those who show them.

A JSON file is what it holds; a csv is a list of rows, {column: text as it stands in the file}.
"""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def read(directory: Path, names: Iterable[str]) -> dict[str, Any]:
    """Return {path: content} of the named files that are there.

    Args:
        directory: metrics/; the paths returned begin with its own name.
        names: paths inside of it.

    Raises:
        ValueError: if a file is damaged.
    """
    readers = {".json": _json, ".csv": _table}
    found = {}
    for name in names:
        path = directory / name
        if path.is_file():
            found[f"{directory.name}/{name}"] = readers[path.suffix](path)
    return found


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}); run `dvc repro`") from error


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as f:
        reader = csv.DictReader(f)
        rows = list(reader)
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ValueError(
                f"{path}:{line} has not {len(reader.fieldnames or ())} fields; run `dvc repro`"
            )
    return rows
