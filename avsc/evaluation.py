"""Predictions against the labels of the test fold, which nothing else reads."""

from collections import Counter
from pathlib import Path

import numpy as np

from avsc.artifacts import manifest, predictions
from avsc.scoring import protocol
from avsc.scoring.protocol import Scores


def report(path: Path, *, seconds: int | None, root: Path = Path("data")) -> dict[str, Scores]:
    """Return the scores of a prediction file on the test fold, by protocol.

    Args:
        path: of predictions.
        seconds: length of every clip; None: each clip is as long as its predictions.
        root: of manifest and quarantine list.

    Raises:
        ValueError: if a clip of the test fold has neither predictions nor a place in quarantine.
    """
    labels = manifest.read(root / "manifest/labels_test.csv", manifest.LABELS)
    truth = {r["clip_id"]: r["scene_label"] for r in labels}
    lost = {r["clip_id"] for r in manifest.read(root / "quarantine.csv", manifest.QUARANTINE)}
    p = predictions.read(path, "test")
    rows = Counter(p.clip_id)
    return protocol.report(
        p.clip_id,
        None if p.segment is None else np.array(p.segment),
        p.probs,
        truth=truth,
        classes=p.scenes,
        segments=seconds or {c: max(1, rows[c]) for c in truth},
        quarantined=lost & set(truth),
    )
