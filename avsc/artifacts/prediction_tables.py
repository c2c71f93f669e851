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
import io
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int

NAMES = ("clip_id", "aid", "filename_audio_video", "filename_audio", "filename_video", "filename")
CLIP_NAMES = ("aid", "clip_id")  # one row a clip, whatever the name looks like
STATED = ("scene_pred", "scene_label")
MEDIA = re.compile(r"(\.(wav|mp4|flac|ogg|mp3|m4a|avi|mkv|mov|webm))+$", re.IGNORECASE)
SECOND = re.compile(r"(.+)_(\d{1,9})", re.ASCII)
MAX_BYTES = 2**30


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
    header, rows = _fields(path)
    names = _name_column(path, header)
    classes = tuple(c for c in header if c not in NAMES and c not in STATED)
    if len(classes) < 2 or "" in classes:
        raise ValueError(
            f"{path} has columns {header}, expected one of probabilities for each of two or more "
            "classes, all with names; write the table without a row index"
        )
    clip_id, segment = _seconds([clip_name(row[names]) for row in rows], header[names], clips)
    column = {name: [row[header.index(name)] for row in rows] for name in STATED if name in header}
    # beside scene_pred, scene_label is the truth; alone, it is what the system chose
    stated = column.get("scene_pred", column.get("scene_label"))
    truth = column.get("scene_label") if "scene_pred" in column else None
    return PredictionTable(
        clip_id,
        segment,
        classes,
        _numbers(path, header, rows, classes),
        None if stated is None else _chosen(path, stated, classes),
        None if truth is None else _one_scene_each(path, clip_id, truth),
    )


def read_labels(path: Path) -> dict[str, str]:
    """Return scene_label by clip, in the order of the file.

    Raises:
        ValueError: if columns are absent, or a clip has two scenes.
    """
    header, rows = _fields(path)
    if "scene_label" not in header:
        raise ValueError(
            f"{path} has columns {header}, expected 'scene_label'; "
            "give the csv with labels, such as fold1_evaluate.csv"
        )
    names, scene = _name_column(path, header), header.index("scene_label")
    return _one_scene_each(path, [clip_name(r[names]) for r in rows], [r[scene] for r in rows])


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


def _fields(path: Path) -> tuple[list[str], list[list[str]]]:
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path} has {size} bytes, expected at most {MAX_BYTES}; is it a table?")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        delimiter = "\t" if "\t" in text.split("\n", 1)[0] else ","
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no UTF-8 table ({error}); save it as csv or tsv") from error
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) < 2:
        raise ValueError(f"{path} has {len(lines)} lines, expected a header and a line an item")
    header, *rows = lines
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ValueError(
                f"{path}:{number} has {len(row)} fields, expected {len(header)} as in the header"
            )
    return header, rows


def _name_column(path: Path, header: list[str]) -> int:
    found = [name for name in NAMES if name in header]
    if not found or len(set(header)) != len(header):
        raise ValueError(
            f"{path} has columns {header}, expected different ones with one of {', '.join(NAMES)}; "
            "is it a prediction file with a header line?"
        )
    return header.index(found[0])


def _seconds(
    names: list[str], column: str, clips: Collection[str]
) -> tuple[list[str], Int[np.ndarray, " row"] | None]:
    parts = [SECOND.fullmatch(name) for name in names]
    whole = column in CLIP_NAMES or not set(names).isdisjoint(clips)
    if whole or not all(parts):
        return names, None
    cut = [(m[1], int(m[2])) for m in parts if m]
    return [clip for clip, _ in cut], np.array([second for _, second in cut])


def _numbers(
    path: Path, header: list[str], rows: list[list[str]], classes: tuple[str, ...]
) -> Float64[np.ndarray, "row scene"]:
    place = [header.index(scene) for scene in classes]
    probs = np.empty((len(rows), len(classes)))
    for i, row in enumerate(rows):
        try:
            probs[i] = [float(row[j]) for j in place]
        except ValueError as error:
            raise ValueError(
                f"{path}:{i + 2}: {error}, expected a probability in each of "
                f"{', '.join(classes)}; is one of these no class?"
            ) from error
    return probs


def _chosen(path: Path, stated: list[str], classes: tuple[str, ...]) -> Int[np.ndarray, " row"]:
    place = {scene: i for i, scene in enumerate(classes)}
    if bad := [i for i, scene in enumerate(stated) if scene not in place]:
        raise ValueError(
            f"{path}:{bad[0] + 2} states the class {stated[bad[0]]!r} ({len(bad)} such lines), "
            f"expected one of {', '.join(classes)}; name the columns as the classes"
        )
    return np.array([place[scene] for scene in stated])


def _one_scene_each(path: Path, clip_id: list[str], labels: list[str]) -> dict[str, str]:
    scenes: dict[str, str] = {}
    for clip, scene in zip(clip_id, labels, strict=True):
        if scenes.setdefault(clip, scene) != scene:
            raise ValueError(
                f"{path} gives {clip!r} the scenes {scenes[clip]!r} and {scene!r}, expected one; "
                "correct the file"
            )
    return scenes
