"""metrics/ as a whole: every JSON file and every table in it, for those who show them.

A JSON file is what it holds; a csv is a list of rows, {column: text as it stands in the file}.
"""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from avsc import tables


def read(directory: Path, names: Iterable[str]) -> dict[str, Any]:
    """Return {path: content} of the named files that are there.

    Args:
        directory: metrics/; the paths returned begin with its own name.
        names: paths inside of it.

    Raises:
        ValueError: if a file is damaged.
    """
    readers = {".json": read_json, ".csv": read_table}
    found = {}
    for name in names:
        path = directory / name
        if path.is_file():
            found[f"{directory.name}/{name}"] = readers[path.suffix](path)
    return found


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; run `dvc repro` or `dvc pull` first")
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}); delete it and run `dvc repro`") from error


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a csv, {column: text as it stands in the file}.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; run `dvc repro` or `dvc pull` first")
    found = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = tables.rows(file)
            _, header = next(rows, (0, []))
            if not header:
                raise csv.Error("no header")
            for line, row in rows:
                if len(row) != len(header):
                    raise ValueError(f"{path}:{line} has not {len(header)} fields; run `dvc repro`")
                found.append(dict(zip(header, row, strict=True)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no table ({error}); delete it and run `dvc repro`") from error
    if not path.read_bytes().endswith(b"\n"):
        raise ValueError(f"{path} is cut off in its last line; delete it and run `dvc repro`")
    return found
