"""From a tagger's logits to the probabilities that are thresholded into pseudo-labels."""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit, softmax

from avsc import spelling

ACTIVATIONS: dict[str, Callable[..., np.ndarray]] = {
    "sigmoid": expit,
    "softmax": partial(softmax, axis=1),
}
MOST = 25  # labels of an item; more say nothing of it
FEW = 5  # labels of an item, as people list them
POOLINGS: dict[str, Callable[..., np.ndarray]] = {"max": np.max, "mean": np.mean}


def probabilities(
    logits: Float[np.ndarray, "row label"],
    count: Int[np.ndarray, " clip"],
    *,
    activation: str = "sigmoid",
    pooling: str = "max",
) -> tuple[Float[np.ndarray, "item label"], Int[np.ndarray, " clip"]]:
    """Return the probabilities of each item, and how many items each clip has.

    Args:
        logits: the rows (seconds) of all clips, one clip after the other.
        count: rows of each clip.
        activation: sigmoid | softmax, of each row.
        pooling: max | mean over the rows of a clip: an item is a clip; none: an item is a row.

    Raises:
        ValueError: if activation or pooling is none of these.

    References:
        Hou et al., arXiv:2208.02086, threshold event probabilities at 0.0365 and object
        probabilities at 0.9216. They do not say which activation and pooling over frames these are
        of; sigmoid and max are ours, for a softmax passes 0.9216 for less than one class a frame.
    """
    if activation not in ACTIVATIONS:
        expected = spelling.expected(activation, sorted(ACTIVATIONS))
        raise ValueError(f"activation is {activation!r}, {expected}")
    probs = ACTIVATIONS[activation](logits.astype(np.float64))
    if pooling == "none":
        return probs, count
    if pooling not in POOLINGS:
        expected = spelling.expected(pooling, [*sorted(POOLINGS), "none"])
        raise ValueError(f"pooling is {pooling!r}, {expected}")
    clips = np.split(probs, np.cumsum(count)[:-1])
    return np.stack([POOLINGS[pooling](clip, axis=0) for clip in clips]), np.ones_like(count)


def least_probability(
    probs: Float[np.ndarray, "item label"],
    training: Bool[np.ndarray, " item"],
    *,
    threshold: float | None = None,
    quantile: float | None = None,
) -> float:
    """Return the probability from which a class is a label.

    Args:
        probs: of all items.
        training: the items of the training fold.
        threshold: the probability itself.
        quantile: instead, the share of the training fold's probabilities that lie below it: 0.99 of
            1000 classes leaves 10 labels an item.

    Raises:
        ValueError: if not one of the two is given, or it is not between 0 and 1.
    """
    given = {"threshold": threshold, "quantile": quantile}
    named = {key: value for key, value in given.items() if value is not None}
    if len(named) != 1:
        raise ValueError(f"threshold is {threshold}, quantile is {quantile}; give one of the two")
    ((key, value),) = named.items()
    if not 0 <= value <= 1:
        raise ValueError(f"{key} is {value}, expected 0 to 1")
    return float(np.quantile(probs[training], value)) if key == "quantile" else value


def doubtful(labels: Bool[np.ndarray, "item label"], *, activation: str) -> str | None:
    """Return what is wrong with the number of labels and what to set instead, None if nothing."""
    each, classes = labels.sum(axis=1).mean(), labels.shape[1]
    if 0 < each <= MOST:
        return None
    share = max(0.5, round(1 - FEW / classes, 4))
    remedy = f"set quantile: {share} in place of threshold, for about {(1 - share) * classes:.0f}"
    if each and activation == "sigmoid":
        remedy = (
            "networks trained to tell one class an item, as ImageNet's are, take activation: "
            f"softmax; and {remedy}"
        )
    used = int(labels.any(axis=0).sum())
    return f"{each:.1f} labels an item, {used} of {classes} classes in use; {remedy}"
