"""A submission to DCASE 2021 task 1B: scene probabilities of the evaluation set's items.

Text, UTF-8, fields separated by tabs, a header line and a line an item in any order:

filename       name of the item's sound file without folder: 0.wav, 1.wav ...
scene_label    the scene that the system chose
<scene>        probability, a column for each scene, in alphabetical order
"""

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from avsc import tables
from avsc.escaping import csv_cell

NAMED = ("filename", "scene_label")
SCENES = (
    "airport",
    "bus",
    "metro",
    "metro_station",
    "park",
    "public_square",
    "shopping_mall",
    "street_pedestrian",
    "street_traffic",
    "tram",
)
ITEMS = 72_000  # of the official set, 0.wav to 71999.wav
MAX_BYTES = 2**30
MAX_ROWS = 1_000_000
TOLERANCE = 0.011  # rows of 3 decimals sum to 0.99 to 1.01

Offence = tuple[str, str]  # a kind, and where it is


def write(
    path: Path,
    names: Sequence[str],
    probs: Float64[np.ndarray, "item scene"],
    scenes: Sequence[str],
) -> None:
    """Write a submission; the chosen scene is the first of the most probable ones."""
    with path.open("w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f, delimiter="\t", lineterminator="\n")
        order = np.argsort(scenes)
        columns = [scenes[i] for i in order]
        cells = [csv_cell(scene) for scene in columns]
        writer.writerow([*NAMED, *cells])
        for name, row in zip(names, probs[:, order], strict=True):
            numbers = (f"{p:.9g}" for p in row.tolist())
            writer.writerow([csv_cell(name), cells[row.argmax()], *numbers])


def official_names(count: int = ITEMS) -> list[str]:
    """Return 0.wav, 1.wav ..."""
    return [f"{k}.wav" for k in range(count)]


def check(
    path: Path,
    *,
    names: Sequence[str],
    scenes: Sequence[str] = SCENES,
    tolerance: float = TOLERANCE,
) -> list[Offence]:
    """Return everything that is wrong with a submission, as (kind, where).

    Args:
        path: of the file.
        names: of the items that there must be.
        scenes: that there must be columns of.
        tolerance: how far from 1 the probabilities of a row may sum.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        return [("no text table", f"{path} has {size} bytes, expected at most {MAX_BYTES}")]
    lines: dict[str, list[int]] = defaultdict(list)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = tables.rows(file, delimiter="\t", most=MAX_ROWS)
            _, header = next(rows, (0, []))
            if not header:
                return [("no text table", f"{path} is empty")]
            found = list(_columns(header, scenes))
            if len(header) < len(NAMED):
                return found
            for number, row in rows:
                found += _row(number, row, header, tolerance)
                lines[row[0] if row else ""].append(number)
    except (UnicodeDecodeError, csv.Error) as error:
        return [("no text table", f"{path}: {error}; write UTF-8 with fields split by tabs")]
    return found + list(_items(lines, names))


def _columns(header: Sequence[str], scenes: Sequence[str]) -> Iterator[Offence]:
    expected = [*NAMED, *sorted(scenes)]
    if len(header) == 1 and "," in header[0]:
        yield "columns", "the header has commas and no tab; separate fields by tabs"
        return
    absent = [c for c in expected if c not in header]
    unknown = [c for c in header if c not in expected]
    yield from (("columns", f"{c!r} is absent") for c in absent)
    yield from (("columns", f"{c!r} is no scene of the task") for c in unknown)
    yield from (
        ("columns", f"{c!r} is there {n} times") for c, n in Counter(header).items() if n > 1
    )
    if not absent and not unknown and len(header) == len(expected) and list(header) != expected:
        yield "columns", f"in the order {', '.join(header)}; expected {', '.join(expected)}"


def _row(
    number: int, row: Sequence[str], header: Sequence[str], tolerance: float
) -> Iterator[Offence]:
    if len(row) != len(header):
        yield "fields", f"line {number} has {len(row)}, the header {len(header)}"
        return
    cell = dict(zip(header, row, strict=True))
    classes = [c for c in header if c not in NAMED]
    if "scene_label" in cell and cell["scene_label"] not in classes:
        yield "scene_label", f"line {number}: {cell['scene_label']!r} is no column"
    values = []
    for scene in classes:
        value = _number(cell[scene])
        if value is None or not 0 <= value <= 1:
            what = f"line {number}: {cell[scene]!r} of {scene}; expected a number from 0 to 1"
            yield "probabilities", what
        values.append(value)
    total = math.fsum(v for v in values if v is not None)
    if all(v is not None and 0 <= v <= 1 for v in values) and not abs(total - 1) <= tolerance:
        yield "sums", f"line {number}: {total:.6g}; expected 1 within {tolerance:g}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _items(lines: Mapping[str, list[int]], names: Sequence[str]) -> Iterator[Offence]:
    wanted = dict.fromkeys(names)
    if (count := sum(map(len, lines.values()))) != len(wanted):
        yield "count", f"{count} items; expected {len(wanted)}"
    for name, at in lines.items():
        if name not in wanted:
            yield "unknown items", f"line {at[0]}: {name!r}"
        if len(at) > 1:
            yield "duplicate items", f"{name!r} in lines {', '.join(map(str, at))}"
    yield from (("missing items", repr(name)) for name in wanted if name not in lines)
