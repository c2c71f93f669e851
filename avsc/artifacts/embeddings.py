"""data/embeddings/<encoder>/: shards of what an encoder made of each clip.

embedding     (row, ...) float32; a row is a second of the clip, or the clip: attribute `scope`
views         (row, view, ...) float32, augmented embeddings of training clips; view 0 is plain
logits        (row, class) float32, from taggers; attribute `classes` = JSON list of names
attributes    modality = audio | video, scope = segment | clip, classes
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from avsc.artifacts import shard
from avsc.artifacts.damage import HEAL

MODALITIES = ("audio", "video")


@dataclass(frozen=True)
class Embeddings:
    """The rows of some clips, one clip after the other, and how many each has."""

    rows: Float32[np.ndarray, "row ..."]
    count: Int64[np.ndarray, " clip"]
    scope: str  # segment | clip
    classes: tuple[str, ...]  # of a tagger's logits, else empty

    def pooled(self) -> "Embeddings":
        """Return the mean over the rows of each clip: what each clip is like as a whole."""
        parts = np.split(self.rows, np.cumsum(self.count)[:-1])
        rows = np.stack([part.mean(axis=0) for part in parts])
        return Embeddings(rows, np.ones_like(self.count), "clip", self.classes)


def read(directory: Path, clip_id: Sequence[str], name: str = "embedding") -> Embeddings:
    """Return array `name` of each clip, in the order of `clip_id`.

    Raises:
        FileNotFoundError: if there is no directory, or it lacks a shard.
        NotReadError: if the system cannot read a file.
        KeyError: if the directory lacks a clip or the array.
        ValueError: if a file is damaged, holds NaN or infinity, or logits are asked of an encoder
            that has no classes.
    """
    if not clip_id:
        raise ValueError(f"no clips asked of {directory}; is a fold of the data set empty?")
    about: dict[str, str] = {}
    for path in shard.paths(directory)[:1]:
        with shard.reading(path) as s:
            about = s.about
    classes = tuple(json.loads(about.get("classes", "[]")))
    if about and name == "logits" and not classes:
        raise ValueError(
            f"{directory} is of an encoder without classes, no tagger; name one that has any, as "
            "ast has, or a timm_image with a classifier"
        )
    rows, count = shard.read(directory, clip_id, name)
    if not (np.isfinite(rows.min()) and np.isfinite(rows.max())):
        raise ValueError(
            f"{directory}: {name} of {_not_finite(rows, count, clip_id)!r} is NaN or infinite; "
            f"{HEAL}"
        )
    return Embeddings(rows=rows, count=count, scope=about["scope"], classes=classes)


def modality(directory: Path) -> str:
    """Return what the encoder of a directory takes: audio or video.

    Raises:
        FileNotFoundError: if there is no directory.
        ValueError: if it holds no shard, or one without a modality.
    """
    for path in shard.paths(directory)[:1]:
        with shard.reading(path) as s:
            found = s.about.get("modality")
        if found in MODALITIES:
            return found
        raise ValueError(f"{path} has modality {found!r}, expected {' or '.join(MODALITIES)}")
    raise ValueError(f"{directory} holds no shards; run `dvc repro`")


def _not_finite(rows: np.ndarray, count: np.ndarray, clip_id: Sequence[str]) -> str:
    """Return the first clip with a row that is not finite."""
    row = next(i for i, row in enumerate(rows) if not np.isfinite(row).all())
    return clip_id[int(np.searchsorted(np.cumsum(count), row, side="right"))]


def check_rows(count: Mapping[Path, Int64[np.ndarray, " clip"]], clip_id: Sequence[str]) -> None:
    """Raise a ValueError unless every directory has as many rows of each clip."""
    first, *others = count
    for other in others:
        if differ := np.flatnonzero(count[first] != count[other]).tolist():
            clip = differ[0]
            raise ValueError(
                f"{first} and {other} disagree on the rows of {len(differ)} clips, the first "
                f"{clip_id[clip]!r} with {count[first][clip]} and {count[other][clip]}; import "
                "whole features, or delete the folder that lacks rows, and run `dvc repro`"
            )


def clips(directory: Path) -> set[str]:
    """Return the ids of all clips that have embeddings."""
    found: set[str] = set()
    for path in shard.paths(directory):
        with shard.reading(path) as s:
            found.update(s.clip_id)
    return found
