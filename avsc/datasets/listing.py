"""The csv files of a data set, read with every fault noted."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from avsc import tables
from avsc.datasets.offenders import Offenders

MEDIA = ("audio", "video")
MAX_BYTES = 2**30
MAX_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """What one csv line says of a clip; None where the csv has no such column."""

    where: str
    audio: str
    video: str
    scene: str | None
    identifier: str | None


@dataclass(frozen=True)
class Listing:
    """The lines of one csv, by audio path; `whole` is False where lines had to be left out."""

    name: str
    lines: dict[str, Line]
    whole: bool


def read(
    root: Path, name: str, columns: Mapping[str, str], needed: set[str], offenders: Offenders
) -> Listing | None:
    """Return the listing `root/name`, or None if there is none; faults go to `offenders`.

    Args:
        root: folder of the data set.
        name: of the csv, relative to the root; fields are separated by tabs, or by commas where
            the header has no tab.
        columns: column names by role (audio, video, scene, identifier).
        needed: roles that the csv must have.
        offenders: where faults go.
    """
    if not (root / name).is_file():
        return None
    header, rows, whole = _fields(root, name, offenders)
    if absent := [columns[r] for r in columns if r in needed and columns[r] not in header]:
        if header:
            what = f"{name} lacks {', '.join(absent)}; it has {', '.join(map(repr, header))}"
            offenders.add("csv without the expected columns", what)
        return Listing(name, {}, whole=False)
    place = {role: header.index(column) for role, column in columns.items() if column in header}
    lines: dict[str, Line] = {}
    for number, row in rows:
        line = _line(f"{name}:{number}", {role: row[i] for role, i in place.items()})
        if line.audio in lines:
            what = f"{line.audio} ({lines[line.audio].where}, {line.where})"
            offenders.add("one file in two rows", what)
        lines.setdefault(line.audio, line)
    return Listing(name, lines, whole)


def _line(where: str, cells: Mapping[str, str]) -> Line:
    # "./a.wav" and "a.wav" are one file; an empty cell must not become "."
    audio, video = (str(PurePosixPath(c)) if (c := cells[role]) else c for role in MEDIA)
    return Line(where, audio, video, cells.get("scene"), cells.get("identifier"))


def _fields(
    root: Path, name: str, offenders: Offenders
) -> tuple[list[str], list[tuple[int, list[str]]], bool]:
    if (size := (root / name).stat().st_size) > MAX_BYTES:
        what = f"{name}: {size} bytes, expected at most {MAX_BYTES}"
        offenders.add("text that cannot be read", what)
        return [], [], False
    header: list[str] = []
    even: list[tuple[int, list[str]]] = []
    count = 0
    try:
        with (root / name).open(encoding="utf-8-sig", newline="") as file:
            delimiter = "\t" if "\t" in file.readline(tables.MAX_LINE) else ","
            file.seek(0)
            for number, row in tables.rows(file, delimiter=delimiter, most=MAX_ROWS):
                if not row:
                    continue
                if not header:
                    header = [cell.strip() for cell in row]
                    continue
                count += 1
                if len(row) == len(header):
                    even.append((number, row))
                else:
                    what = f"{name}:{number} has {len(row)} fields, its header {len(header)}"
                    offenders.add("ragged row", what)
    except (UnicodeDecodeError, csv.Error) as error:
        offenders.add("text that cannot be read", f"{name}: {error}")
        return [], [], False
    if not count:
        offenders.add("csv without rows", f"{name} has {bool(header):d} lines")
        return [], [], False
    return header, even, len(even) == count
