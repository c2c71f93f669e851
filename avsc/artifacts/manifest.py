"""data/manifest/: what there is to decode, apart from what it is called.

media.csv          clip_id, fold (train or test), audio, video, audio_sha256, video_sha256: no label
labels_train.csv   clip_id, scene_label, city, location, split (train or val)
labels_test.csv    the same columns, split = test; only `score` depends on it

data/quarantine.csv: clip_id, cause, of the clips that could not be decoded.

Paths are relative to the data set's root and stay inside it; ids are unique.

The last column is empty, and its name is "sha256 " and the digest of all other bytes of the file.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from avsc.artifacts import whole
from avsc.artifacts.damage import HEAL, DamagedError, damaged, reading

MEDIA = ("clip_id", "fold", "audio", "video", "audio_sha256", "video_sha256")
LABELS = ("clip_id", "scene_label", "city", "location", "split")
QUARANTINE = ("clip_id", "cause")

MAX_BYTES = 2**30
INSIDE = re.compile(r"(?!/|.:|(.*/)?\.\.(/|$))[^\\\x00-\x1f\x7f]+")
CELLS = {  # what the cells of a column look like
    "fold": re.compile("train|test"),
    "split": re.compile("train|val|test"),
    "audio": INSIDE,
    "video": INSIDE,
    "audio_sha256": re.compile("[0-9a-f]{64}"),
    "video_sha256": re.compile("[0-9a-f]{64}"),
}


def write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write `columns` of each row."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*columns, ""], extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    whole.write(path, sealed(text.getvalue().encode()))


def sealed(content: bytes) -> bytes:
    """Return a csv whose last column is empty and without a name, with its digest as that name."""
    columns, end, rows = content.partition(b"\n")
    return columns + f"sha256 {hashlib.sha256(content).hexdigest()}".encode() + end + rows


def read(path: Path, columns: Sequence[str], *, digest: bool = True) -> list[dict[str, str]]:
    """Return the rows of a csv.

    Args:
        path: the file.
        columns: that it must have.
        digest: whether it must have a digest; one that is there is checked in any case.

    Raises:
        FileNotFoundError: if there is no such file.
        NotReadError: if the system cannot read it.
        ValueError: if the file is no such table; the message names the line where one is at fault.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; run `dvc repro` or `dvc pull` first")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path} has {size} bytes, expected at most {MAX_BYTES}; is it a table?")
    with reading(path):
        content = path.read_bytes()
    has_digest = _has_digest(path, content)
    if digest and not has_digest:
        raise DamagedError(f"{path} has no digest as the name of its last column; {HEAL}")
    remedy = HEAL if has_digest else f"correct it, or, if a stage wrote it, {HEAL}"
    header, rows = _fields(path, content, remedy)
    if tuple(header[:-1] if has_digest else header) != tuple(columns):
        raise ValueError(f"{path} has columns {header}, expected {list(columns)}; {remedy}")
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ValueError(
                f"{path}:{line} has {len(row)} fields, expected {len(header)}; {remedy}"
            )
    found = [dict(zip(columns, row, strict=False)) for row in rows]
    _check_cells(path, found)
    if columns in (MEDIA, LABELS, QUARANTINE):
        _check_ids(path, [row["clip_id"] for row in found])
    return found


def _has_digest(path: Path, content: bytes) -> bool:
    """Return whether a csv has a digest, which is right."""
    header, end, rows = content.partition(b"\n")
    columns, _, name = header.rpartition(b",")
    if not name.startswith(b"sha256 "):
        return False
    if sealed(columns + b"," + end + rows) != content:
        raise damaged(path, f"its content does not have the {name.decode('ascii', 'replace')}")
    return True


def _fields(path: Path, content: bytes, remedy: str) -> tuple[list[str], list[list[str]]]:
    try:
        text = content.decode("utf-8")
        header, *rows = list(csv.reader(io.StringIO(text, newline=""), strict=True)) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no csv in UTF-8 ({error}); {remedy}") from error
    if text and not text.endswith("\n"):
        raise ValueError(f"{path} is cut off in its last line; {remedy}")
    return header, rows


def _check_cells(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    for column in CELLS.keys() & (rows[0].keys() if rows else ()):
        for line, row in enumerate(rows, start=2):
            if not CELLS[column].fullmatch(row[column]):
                expected = (
                    "a relative posix path inside the data set's root"
                    if CELLS[column] is INSIDE
                    else CELLS[column].pattern
                )
                raise ValueError(
                    f"{path}:{line} has {column} {row[column]!r}, expected {expected}; {HEAL}"
                )


def _check_ids(path: Path, ids: Sequence[str]) -> None:
    lines: dict[str, int] = {}
    for line, clip_id in enumerate(ids, start=2):
        if not clip_id or lines.setdefault(clip_id, line) != line:
            what = f"{clip_id!r} of line {lines[clip_id]} again" if clip_id else "a clip without id"
            raise ValueError(f"{path}:{line} has {what}, expected each clip once; {HEAL}")
