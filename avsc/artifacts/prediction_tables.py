"""Prediction files as the world writes them, and csv files of labels: read only.

A prediction file is text with a header line, its fields separated by tabs (or by commas where the
header has no tab): one column of names, one of the class that the system chose, and one column of
probabilities for each class, whatever the classes.

official baseline     filename_audio_video | filename_audio | filename_video, scene_label, ...
                      rows <clip>_<k>.wav.mp4 | <clip>_<k>.wav | <clip>_<k>.mp4, k = second
challenge submission  filename, scene_label, ...               rows 0.wav, 1.wav, ...
SJTU course           aid, scene_pred, [scene_label,] ...      rows <clip>; scene_label is the truth

A labels csv has a column of names (`clip_id`, or file names) and `scene_label`.
"""

import csv
import re
import sys
from array import array
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int

from avsc import tables

NAMES = ("clip_id", "aid", "filename_audio_video", "filename_audio", "filename_video", "filename")
CLIP_NAMES = ("aid", "clip_id")  # one row a clip, whatever the name looks like
STATED = ("scene_pred", "scene_label")
MEDIA = re.compile(r"(\.(wav|mp4|flac|ogg|mp3|m4a|avi|mkv|mov|webm))+$", re.IGNORECASE)
SECOND = re.compile(r"(.+)_(\d{1,9})", re.ASCII)
MAX_BYTES = 2**30
MAX_NUMBERS = 2**26  # probabilities of a file


@dataclass(frozen=True)
class PredictionTable:
    """One prediction file.

    Attributes:
        clip_id: of each row, without folder, ending and second.
        segment: second of each row; None where rows are whole clips (or isolated segments).
        classes: in the order of the columns.
        probs: as written, so rows sum to 1 within the rounding.
        stated: index of the class that the system chose, which need not be the largest
            probability (ties, rounding); None where the file does not say.
        truth: scene_label by clip, where the file tells; else None.
    """

    clip_id: list[str]
    segment: Int[np.ndarray, " row"] | None
    classes: tuple[str, ...]
    probs: Float64[np.ndarray, "row scene"]
    stated: Int[np.ndarray, " row"] | None
    truth: dict[str, str] | None


def read(path: Path, *, clips: Collection[str] = ()) -> PredictionTable:
    """Return a prediction file.

    Args:
        path: of the file.
        clips: names of the clips, where known: `kitchen_1` is then a clip and no second of one.

    Raises:
        ValueError: if it is no such file; the message names the line.
    """
    with _opened(path) as (header, rows):
        names = _name_column(path, header)
        classes = tuple(c for c in header if c not in NAMES and c not in STATED)
        if len(classes) < 2 or "" in classes:
            raise ValueError(
                f"{path} has columns {header}, expected one of probabilities for each of two or "
                "more classes, all with names; write the table without a row index"
            )
        place = {name: header.index(name) for name in STATED if name in header}
        columns = [header.index(name) for name in classes]
        clip_names, numbers = [], array("d")
        column: dict[str, list[str]] = {name: [] for name in place}
        for line, row in rows:
            clip_names.append(clip_name(row[names]))
            numbers.extend(_numbers(path, line, [row[i] for i in columns], classes))
            for name, at in place.items():
                column[name].append(sys.intern(row[at]))
            if len(numbers) > MAX_NUMBERS:
                raise ValueError(
                    f"{path} has more than {MAX_NUMBERS} probabilities; is it one prediction file?"
                )
    clip_id, segment = _seconds(clip_names, header[names], frozenset(clips))
    # beside scene_pred, scene_label is the truth; alone, it is what the system chose
    stated = column.get("scene_pred", column.get("scene_label"))
    truth = column.get("scene_label") if "scene_pred" in column else None
    return PredictionTable(
        clip_id,
        segment,
        classes,
        np.frombuffer(numbers).reshape(-1, len(classes)),
        None if stated is None else _chosen(path, stated, classes),
        None if truth is None else _one_scene_each(path, zip(clip_id, truth, strict=True)),
    )


def read_labels(path: Path) -> dict[str, str]:
    """Return scene_label by clip, in the order of the file.

    Raises:
        ValueError: if columns are absent, or a clip has two scenes.
    """
    with _opened(path) as (header, rows):
        if "scene_label" not in header:
            raise ValueError(
                f"{path} has columns {header}, expected 'scene_label'; "
                "give the csv with labels, such as fold1_evaluate.csv"
            )
        names, scene = _name_column(path, header), header.index("scene_label")
        labels = ((clip_name(row[names]), sys.intern(row[scene])) for _, row in rows)
        return _one_scene_each(path, labels)


def clip_name(file: str) -> str:
    """Return the name of a media file without folder and endings."""
    return MEDIA.sub("", file.rpartition("/")[2])


def scene_in_name(clip_id: str, classes: Collection[str]) -> str:
    """Return the scene that a TAU clip name starts with.

    Raises:
        ValueError: if the name is not <scene>-<city>-<location>-<segment>.
    """
    for scene in sorted(classes, key=len, reverse=True):
        if clip_id.startswith(f"{scene}-") and clip_id.count("-", len(scene)) >= 3:
            return scene
    raise ValueError(
        f"{clip_id!r} tells no scene, expected <scene>-<city>-<location>-<segment> with a scene "
        f"of {', '.join(classes)}; give the labels with --labels"
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
    """Yield the header of a table, and its rows with their numbers."""
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path} has {size} bytes, expected at most {MAX_BYTES}; is it a table?")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = "\t" if "\t" in file.readline(tables.MAX_LINE) else ","
            file.seek(0)
            lines = tables.rows(file, delimiter=delimiter)
            (_, header), first = next(lines, (0, [])), next(lines, (0, []))
            if not first[1]:
                raise ValueError(
                    f"{path} has {bool(header):d} lines, expected a header and a line an item"
                )
            yield header, _even(path, len(header), chain([first], lines))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no UTF-8 table ({error}); save it as csv or tsv") from error


def _even(
    path: Path, width: int, rows: Iterable[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    """Yield rows as long as the header; blank ones may stand at the end."""
    blank = 0
    for line, row in rows:
        if not row:
            blank = blank or line
        elif blank or len(row) != width:
            raise ValueError(
                f"{path}:{blank or line} has {0 if blank else len(row)} fields, expected {width} "
                "as in the header"
            )
        else:
            yield line, row


def _name_column(path: Path, header: list[str]) -> int:
    found = [name for name in NAMES if name in header]
    if not found or len(set(header)) != len(header):
        raise ValueError(
            f"{path} has columns {header}, expected different ones with one of {', '.join(NAMES)}; "
            "is it a prediction file with a header line?"
        )
    return header.index(found[0])


def _seconds(
    names: list[str], column: str, clips: frozenset[str]
) -> tuple[list[str], Int[np.ndarray, " row"] | None]:
    if column in CLIP_NAMES or any(name in clips for name in names):
        return names, None
    cut, seconds = [], array("q")
    for name in names:
        if not (found := SECOND.fullmatch(name)):
            return names, None
        cut.append(sys.intern(found[1]))
        seconds.append(int(found[2]))
    return cut, np.frombuffer(seconds, np.int64)


def _numbers(path: Path, line: int, cells: list[str], classes: tuple[str, ...]) -> list[float]:
    try:
        return [float(cell) for cell in cells]
    except ValueError as error:
        raise ValueError(
            f"{path}:{line}: {error}, expected a probability in each of {', '.join(classes)}; is "
            "one of these no class?"
        ) from error


def _chosen(path: Path, stated: list[str], classes: tuple[str, ...]) -> Int[np.ndarray, " row"]:
    place = {scene: i for i, scene in enumerate(classes)}
    if bad := [i for i, scene in enumerate(stated) if scene not in place]:
        raise ValueError(
            f"{path}:{bad[0] + 2} states the class {stated[bad[0]]!r} ({len(bad)} such lines), "
            f"expected one of {', '.join(classes)}; name the columns as the classes"
        )
    return np.array([place[scene] for scene in stated])


def _one_scene_each(path: Path, labels: Iterable[tuple[str, str]]) -> dict[str, str]:
    scenes: dict[str, str] = {}
    for clip, scene in labels:
        if scenes.setdefault(clip, scene) != scene:
            raise ValueError(
                f"{path} gives {clip!r} the scenes {scenes[clip]!r} and {scene!r}, expected one; "
                "correct the file"
            )
    return scenes
