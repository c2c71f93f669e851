"""The clip browser's data: clips of the test fold with pictures, sound, tags and probabilities."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from avsc.reporting import thumbnails

TOP = 5  # events and objects shown of a clip
DIGITS = 3  # of probabilities


@dataclass(frozen=True)
class Tags:
    """What a tagger finds in a clip: a row a second, or one row of the whole clip."""

    classes: Sequence[str]
    probs: Float[np.ndarray, "row label"]


@dataclass(frozen=True)
class Clip:
    """A clip of the test fold.

    Attributes:
        about: clip_id, scene_label, city, location.
        pictures: JPEG files, one a second.
        logmel: natural logarithms of power, (frame, mel).
        tags: by "events" and "objects".
        probs: of each system, a row a second or one row of the whole clip.
    """

    about: Mapping[str, str]
    pictures: Sequence[bytes]
    logmel: Float[np.ndarray, "frame mel"]
    tags: Mapping[str, Tags]
    probs: Mapping[str, Float[np.ndarray, "row scene"]]


def chosen(scene: Mapping[str, str], limit: int | None) -> list[str]:
    """Return which clips a page shows: all, or as many of each scene, evenly spaced.

    Args:
        scene: {clip_id: scene_label}.
        limit: number of clips at most; None: all.
    """
    if limit is None or len(scene) <= limit:
        return list(scene)
    by_scene: dict[str, list[str]] = {}
    for clip_id, label in scene.items():
        by_scene.setdefault(label, []).append(clip_id)
    share = max(1, limit // len(by_scene))
    kept = {
        own[i * len(own) // share] for own in by_scene.values() for i in range(min(share, len(own)))
    }
    return [c for c in scene if c in kept][:limit]


def entry(clip: Clip, *, short_side_px: int, quality: int) -> dict[str, Any]:
    """Return a clip as the page's script reads it."""
    small = [
        thumbnails.thumbnail(p, short_side_px=short_side_px, quality=quality) for p in clip.pictures
    ]
    return {
        "about": dict(clip.about),
        "pictures": [_text(p) for p in small],
        "logmel": _text(thumbnails.spectrogram(clip.logmel)),
        "tags": {kind: _top(tags) for kind, tags in clip.tags.items()},
        "probs": {system: _rounded(probs) for system, probs in clip.probs.items()},
    }


def _text(file: bytes) -> str:
    return base64.b64encode(file).decode("ascii")


def _rounded(probs: Float[np.ndarray, "row column"]) -> list[list[float]]:
    rows: list[list[float]] = np.round(probs.astype(np.float64), DIGITS).tolist()
    return rows


def _top(tags: Tags) -> list[dict[str, Any]]:
    """Return the classes that are most probable somewhere in the clip, the first the most."""
    order = np.argsort(-tags.probs.max(axis=0), kind="stable")[:TOP]
    return [
        {"name": tags.classes[i], "probs": _rounded(tags.probs[:, i : i + 1].T)[0]} for i in order
    ]
