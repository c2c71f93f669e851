"""Whether a system is as often right as it is sure: reliability and calibration error.

The confidence of an item is its largest probability; it is right or wrong by the class that the
system answers. Items in quarantine are uniform and wrong.

References:
    Guo et al., On calibration of modern neural networks, ICML 2017.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.special import softmax

from avsc.scoring import metrics

BINS = 15  # as Guo et al.


@dataclass(frozen=True)
class Reliability:
    """How confidence and accuracy go together.

    Attributes:
        ece: expected calibration error: the mean over the items of the distance of their bin's
            confidence and accuracy.
        bins: bin_low, bin_high, items, confidence and accuracy (means over the bin's items), of
            bins that hold items. A bin is of equal width and holds its upper end.
    """

    ece: float
    bins: list[dict[str, float | int]]


def reliability(
    probs: Float[np.ndarray, "item scene"], right: Bool[np.ndarray, " item"], *, bins: int = BINS
) -> Reliability:
    """Return calibration error and reliability diagram.

    Args:
        probs: one row an item.
        right: whether the item's answer is right.
        bins: number of bins of [0, 1].

    Raises:
        ValueError: no items, or no bins.
    """
    if not len(probs) or bins < 1:
        raise ValueError(
            f"{len(probs)} items and {bins} bins, expected 1 of each or more; is the fold empty?"
        )
    confidence, edges = probs.max(axis=1).astype(np.float64), np.linspace(0, 1, bins + 1)
    place = np.digitize(confidence, edges[1:-1], right=True)
    rows, error = [], 0.0
    for i in np.unique(place):
        own = place == i
        sure, hits = float(confidence[own].mean()), float(right[own].mean())
        error += own.mean() * abs(sure - hits)
        ends = {"bin_low": float(edges[i]), "bin_high": float(edges[i + 1])}
        rows.append(ends | {"items": int(own.sum()), "confidence": sure, "accuracy": hits})
    return Reliability(float(error), rows)


def log_probs(probs: Float[np.ndarray, "item scene"]) -> Float64[np.ndarray, "item scene"]:
    """Return log-probabilities, finite as in the log-loss: what a temperature is fitted to."""
    return np.log(probs.astype(np.float64).clip(metrics.FLOOR, 1 - metrics.FLOOR))


def tempered(
    probs: Float[np.ndarray, "item scene"], temperature: float
) -> Float64[np.ndarray, "item scene"]:
    """Return probabilities made less sure by a temperature above 1, surer by one below.

    Raises:
        ValueError: a temperature that is not above 0.
    """
    if not temperature > 0:
        raise ValueError(
            f"the temperature is {temperature}, expected above 0; fit it on the validation fold"
        )
    return softmax(log_probs(probs) / temperature, axis=1)
