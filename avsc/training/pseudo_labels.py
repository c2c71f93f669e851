"""From a tagger's logits to the probabilities that are thresholded into pseudo-labels."""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit, softmax

from avsc import spelling

ACTIVATIONS: dict[str, Callable[..., np.ndarray]] = {
    "sigmoid": expit,
    "softmax": partial(softmax, axis=1),
}
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
