"""What fusion makes of two modalities: where it gains, and where they contradict each other.

An item is in one of four cells, by which of the systems of a single modality are right: both,
audio alone, video alone, none.

References:
    Feng, Audio-Visual Scene Classify (course report): the fused model against audio and video,
    class by class. The cells are ours.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int

from avsc.scoring import metrics
from avsc.scoring.protocol import Items

SYSTEMS = ("fused", "audio", "video")
CELLS = ("both_right", "audio_right", "video_right", "none_right")


def cells(
    audio: Bool[np.ndarray, " item"], video: Bool[np.ndarray, " item"]
) -> Int[np.ndarray, " item"]:
    """Return the cell of each item, an index of `CELLS`.

    Args:
        audio: which items the system of audio gets right.
        video: which items the system of video gets right.
    """
    return np.where(audio, np.where(video, 0, 1), np.where(video, 2, 3))


def by_class(
    systems: Mapping[str, Items], scenes: Sequence[str]
) -> list[dict[str, str | int | float]]:
    """Return a row a scene that occurs: each system's scores, the gain, and the cells.

    Columns: scene_label, items; <system>_accuracy, which is the recall, <system>_precision,
    <system>_f1 and <system>_log_loss of "fused", "audio" and "video"; gain, the fused accuracy less
    the better of the other two; <cell>, the number of items of each cell, and <cell>_fused, how
    many of these fusion gets right.

    Args:
        systems: the same items, as "fused", "audio" and "video" answer them.
        scenes: scene_label of each class.

    Raises:
        ValueError: if the systems are others, or their items differ.
    """
    _validate(systems)
    fused, cell = systems["fused"], cells(systems["audio"].right, systems["video"].right)
    shares = {
        name: metrics.per_class(i.targets, i.predicted, scenes=len(scenes))
        for name, i in systems.items()
    }
    rows = []
    for scene in np.unique(fused.targets):
        own = fused.targets == scene
        row: dict[str, str | int | float] = {"scene_label": scenes[scene], "items": int(own.sum())}
        accuracy = {name: float(systems[name].right[own].mean()) for name in SYSTEMS}
        for name in SYSTEMS:
            row[f"{name}_accuracy"] = accuracy[name]
            row |= {f"{name}_{k}": float(shares[name][k][scene]) for k in ("precision", "f1")}
            row[f"{name}_log_loss"] = float(systems[name].losses[own].mean())
        row["gain"] = accuracy["fused"] - max(accuracy["audio"], accuracy["video"])
        for index, name in enumerate(CELLS):
            there = own & (cell == index)
            row |= {name: int(there.sum()), f"{name}_fused": int((there & fused.right).sum())}
        rows.append(row)
    return rows


def _validate(systems: Mapping[str, Items]) -> None:
    if set(systems) != set(SYSTEMS):
        raise ValueError(f"the systems are {sorted(systems)}, expected {sorted(SYSTEMS)}")
    first = systems["fused"]
    for name, i in systems.items():
        if not (np.array_equal(i.clip, first.clip) and np.array_equal(i.targets, first.targets)):
            raise ValueError(
                f"{name} and fused answer {len(i.clip)} and {len(first.clip)} items, which are "
                "not the same; expected systems over one fold and protocol"
            )
