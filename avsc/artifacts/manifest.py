"""data/manifest/: what there is to decode, apart from what it is called.

media.csv          clip_id, fold (train or test), audio, video, audio_sha256, video_sha256: no label
labels_train.csv   clip_id, scene_label, city, location, split (train or val)
labels_test.csv    the same columns, split = test; only `score` depends on it

data/quarantine.csv: clip_id, cause, of the clips that could not be decoded.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

MEDIA = ("clip_id", "fold", "audio", "video", "audio_sha256", "video_sha256")
LABELS = ("clip_id", "scene_label", "city", "location", "split")
QUARANTINE = ("clip_id", "cause")


def write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write `columns` of each row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a csv.

    Raises:
        ValueError: if the file's columns are not `columns`, or a row is short or long.
    """
    with path.open(newline="", encoding="utf-8") as f:
        reader = csv.DictReader(f)
        if tuple(reader.fieldnames or ()) != tuple(columns):
            raise ValueError(f"{path} has columns {reader.fieldnames}, expected {list(columns)}")
        rows = list(reader)
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ValueError(
                f"{path}:{line} has not {len(columns)} fields; run `dvc repro -f index`"
            )
    return rows
