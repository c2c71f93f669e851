"""Scores of taggers and of the pseudo-labels that their probabilities give.

An item is a second or a clip; `truth` says which classes are there, `probs` what a tagger thinks.
"""

import numpy as np
from jaxtyping import Bool, Float
from sklearn.metrics import average_precision_score


def mean_average_precision(
    truth: Bool[np.ndarray, "item label"], probs: Float[np.ndarray, "item label"]
) -> float:
    """Return the mean over the classes that occur of the area under precision and recall.

    Chance is the mean prevalence of these classes: see `prevalence`.

    Raises:
        ValueError: if no class occurs.
    """
    occurs = truth.any(axis=0)
    if not occurs.any():
        raise ValueError(f"none of the {truth.shape[1]} classes occurs in the truth")
    return float(average_precision_score(truth[:, occurs], probs[:, occurs], average="macro"))


def prevalence(truth: Bool[np.ndarray, "item label"]) -> float:
    """Return the mean share of items of the classes that occur: the mAP of a blind guess."""
    return float(truth[:, truth.any(axis=0)].mean())


def precision_recall(
    truth: Bool[np.ndarray, "item label"], labels: Bool[np.ndarray, "item label"]
) -> dict[str, float]:
    """Return micro-averaged precision and recall of `labels`; 0 where nothing is labelled."""
    hits = int((truth & labels).sum())
    return {
        "precision": hits / max(1, int(labels.sum())),
        "recall": hits / max(1, int(truth.sum())),
    }


def density(labels: Bool[np.ndarray, "item label"]) -> dict[str, float]:
    """Return labels an item, and how many classes are ever used."""
    return {
        "labels_per_item": float(labels.sum(axis=1).mean()),
        "classes_used": int(labels.any(axis=0).sum()),
    }
