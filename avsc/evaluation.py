"""Predictions against the labels of the test fold, which nothing else reads."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from avsc.artifacts import manifest, predictions
from avsc.scoring import protocol
from avsc.scoring.protocol import Items, Scores

FILES = {"val": "labels_train.csv", "test": "labels_test.csv"}


@dataclass(frozen=True)
class Answered:
    """A fold, and what a system answers, by protocol.

    Attributes:
        labels: clip_id, scene_label, city, location of every clip, quarantined ones included.
        scenes: scene_label of each class.
        items: by protocol; "clip" alone of a system that sees whole clips.
    """

    labels: list[dict[str, str]]
    scenes: tuple[str, ...]
    items: dict[str, Items]

    def column(self, name: str, protocol: str) -> Shaped[np.ndarray, " item"]:
        """Return what the labels say of each item's clip."""
        return np.array([row[name] for row in self.labels])[self.items[protocol].clip]


def answered(path: Path, split: str, *, seconds: int | None, root: Path = Path("data")) -> Answered:
    """Return a fold as a prediction file answers it.

    Args:
        path: of predictions.
        split: "test" or "val".
        seconds: length of every clip; None: each clip is as long as its predictions.
        root: of manifest and quarantine list.

    Raises:
        ValueError: if a clip of the fold has neither predictions nor a place in quarantine.
    """
    every = manifest.read(root / "manifest" / FILES[split], manifest.LABELS)
    labels = [r for r in every if r["split"] == split]
    if not labels:
        raise ValueError(f"{FILES[split]} has no clip of the {split} fold; expected one at least")
    truth = {r["clip_id"]: r["scene_label"] for r in labels}
    lost = {r["clip_id"] for r in manifest.read(root / "quarantine.csv", manifest.QUARANTINE)}
    p = predictions.read(path, split)
    rows = Counter(p.clip_id)
    items = protocol.items(
        p.clip_id,
        None if p.segment is None else np.array(p.segment),
        p.probs,
        truth=truth,
        classes=p.scenes,
        segments=seconds or {c: max(1, rows[c]) for c in truth},
        quarantined=lost & set(truth),
    )
    return Answered(labels, p.scenes, items)


def report(
    path: Path, split: str = "test", *, seconds: int | None, root: Path = Path("data")
) -> dict[str, Scores]:
    """Return the scores of a prediction file on a fold, by protocol; as `answered`."""
    found = answered(path, split, seconds=seconds, root=root)
    return protocol.scores(found.items, found.scenes)


def together(
    paths: Mapping[str, Path], *, seconds: int | None, root: Path = Path("data")
) -> dict[str, Answered]:
    """Return the test fold as several prediction files answer it, of the protocols of all.

    Raises:
        ValueError: as `answered`, or if scenes or seconds differ.
    """
    found = {
        name: answered(path, "test", seconds=seconds, root=root) for name, path in paths.items()
    }
    first, *others = found
    shared = [p for p in found[first].items if all(p in found[o].items for o in others)]
    for other in others:
        if found[other].scenes != found[first].scenes or any(
            not np.array_equal(found[other].items[p].clip, found[first].items[p].clip)
            for p in shared
        ):
            raise ValueError(
                f"{paths[other]} and {paths[first]} differ in scenes or seconds; expected "
                "predictions of one data set: run `dvc repro`"
            )
    return {
        name: Answered(a.labels, a.scenes, {p: a.items[p] for p in shared})
        for name, a in found.items()
    }
