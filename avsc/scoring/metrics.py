"""Log-loss, accuracy, per-class precision, recall, F1 and confusion counts of aligned arrays.

Conventions: an item is whatever a row stands for (a one-second segment or a clip). `targets` and
`predicted` are indices of classes, `probs` one row an item. "Macro" is the mean over the classes
of the class's own mean, over the classes that occur in `targets` (as in scikit-learn's balanced
accuracy); "micro" is the mean over the items. Losses are in nats; everything is float64.

References:
    DCASE 2021 task 1B ranks systems by the macro log-loss, https://arxiv.org/abs/2105.13675.
    The official baseline's numbers come from scikit-learn 0.24, whose `log_loss` clips to
    [1e-15, 1 - 1e-15] and divides each row by its sum; newer releases clip at the dtype's eps
    and take rows as they are: `floor=np.finfo(float).eps, renormalise=False` does that.
"""

import numpy as np
from jaxtyping import Float, Float64, Int, Shaped

FLOOR = 1e-15
NONE = -1  # in `predicted`: the item got no answer, which is wrong whatever its target


def validate(
    targets: Shaped[np.ndarray, "..."], probs: Shaped[np.ndarray, "..."], *, atol: float = 1e-6
) -> None:
    """Check that `targets` and `probs` are aligned, and that rows of `probs` are distributions.

    Args:
        targets: index of each item's class.
        probs: one row an item.
        atol: how far a row's sum may be from 1: 0.01 suits tables of three decimals.

    Raises:
        ValueError: shape, emptiness, targets out of range, NaN, negative values, sums.
    """
    if probs.ndim != 2 or targets.shape != probs.shape[:1]:
        raise ValueError(
            f"probs has shape {probs.shape} and targets {targets.shape}, expected (item, scene) "
            "and (item,); give one row of probs and one target an item"
        )
    if not probs.size:
        raise ValueError(
            f"probs has shape {probs.shape}, expected at least one item and one scene; "
            "is the test fold empty?"
        )
    validate_index("targets", targets, low=0, high=probs.shape[1])
    _validate_rows(probs, atol)


def validate_index(name: str, index: Shaped[np.ndarray, " item"], *, low: int, high: int) -> None:
    """Check that `index` holds integers from `low` to `high - 1`.

    Raises:
        ValueError: another dtype, or a value outside; the message calls the array `name`.
    """
    if not np.issubdtype(index.dtype, np.integer):
        raise ValueError(
            f"{name} has dtype {index.dtype}, expected integers; give indices of classes"
        )
    if (bad := np.flatnonzero((index < low) | (index >= high))).size:
        raise ValueError(
            f"{name}[{bad[0]}] is {index[bad[0]]}, expected {low} to {high - 1} "
            f"({bad.size} of {len(index)} items); do labels and probs list the same classes?"
        )


def _validate_rows(probs: Shaped[np.ndarray, "item scene"], atol: float) -> None:
    count = len(probs)
    if (bad := np.flatnonzero(~np.isfinite(probs).all(axis=1))).size:
        raise ValueError(
            f"probs[{bad[0]}] holds NaN or infinity ({bad.size} of {count} rows), expected "
            "probabilities; look for a diverged training or a division by zero"
        )
    if (bad := np.flatnonzero((probs < 0).any(axis=1))).size:
        raise ValueError(
            f"probs[{bad[0]}] holds {probs[bad[0]].min():.4f}, expected 0 to 1 ({bad.size} of "
            f"{count} rows); are these logits? pass them through softmax first"
        )
    total = probs.sum(axis=1, dtype=np.float64)
    if (bad := np.flatnonzero(abs(total - 1) > atol)).size:
        raise ValueError(
            f"probs[{bad[0]}] sums to {total[bad[0]]:.4f}, not 1 within {atol:g} ({bad.size} of "
            f"{count} rows); are these logits? pass them through softmax first"
        )


def log_losses(
    targets: Int[np.ndarray, " item"],
    probs: Float[np.ndarray, "item scene"],
    *,
    floor: float = FLOOR,
    renormalise: bool = True,
) -> Float64[np.ndarray, " item"]:
    """Return each item's -ln p(its class), of arrays that passed `validate`.

    Args:
        targets: index of each item's class.
        probs: one row an item.
        floor: `probs` are clipped to [floor, 1 - floor].
        renormalise: whether clipped rows are divided by their sums.

    Raises:
        ValueError: a floor outside (0, 1/2).
    """
    if not 0 < floor < 0.5:
        raise ValueError(
            f"floor is {floor}, expected above 0 and below 0.5; {FLOOR:g} is the official one"
        )
    clipped = probs.astype(np.float64).clip(floor, 1 - floor)
    own = clipped[np.arange(len(targets)), targets]
    return -np.log(own / clipped.sum(axis=1) if renormalise else own)


def log_loss_macro(
    targets: Int[np.ndarray, " item"],
    probs: Float[np.ndarray, "item scene"],
    *,
    floor: float = FLOOR,
    atol: float = 1e-6,
    renormalise: bool = True,
) -> float:
    """Return the log-loss averaged over the classes; arguments as `validate`, `log_losses`.

    A uniform guess over ten classes costs ln(10) = 2.303.
    """
    validate(targets, probs, atol=atol)
    return macro(targets, log_losses(targets, probs, floor=floor, renormalise=renormalise))


def log_loss_micro(
    targets: Int[np.ndarray, " item"],
    probs: Float[np.ndarray, "item scene"],
    *,
    floor: float = FLOOR,
    atol: float = 1e-6,
    renormalise: bool = True,
) -> float:
    """Return the log-loss averaged over the items; arguments as `validate`, `log_losses`."""
    validate(targets, probs, atol=atol)
    return float(log_losses(targets, probs, floor=floor, renormalise=renormalise).mean())


def accuracy_macro(targets: Int[np.ndarray, " item"], predicted: Int[np.ndarray, " item"]) -> float:
    """Return the mean over the classes of the share of the class's items that are right."""
    return macro(targets, (targets == predicted).astype(np.float64))


def accuracy_micro(targets: Int[np.ndarray, " item"], predicted: Int[np.ndarray, " item"]) -> float:
    """Return the share of items that are right."""
    return float(np.mean(targets == predicted))


def macro(targets: Int[np.ndarray, " item"], values: Float64[np.ndarray, " item"]) -> float:
    """Return the mean over the classes that occur of the class's mean of `values`."""
    support = np.bincount(targets)
    occurs = support > 0
    return float(np.mean(np.bincount(targets, weights=values)[occurs] / support[occurs]))


def confusion(
    targets: Int[np.ndarray, " item"], predicted: Int[np.ndarray, " item"], *, scenes: int
) -> Int[np.ndarray, "truth predicted"]:
    """Return the counts of (truth, predicted); an extra last column counts NONE.

    Raises:
        ValueError: an index outside the `scenes` classes.
    """
    validate_index("targets", targets, low=0, high=scenes)
    validate_index("predicted", predicted, low=NONE, high=scenes)
    answer = np.where(predicted == NONE, scenes, predicted)
    counts = np.bincount(targets * (scenes + 1) + answer, minlength=scenes * (scenes + 1))
    return counts.reshape(scenes, scenes + 1)


def per_class(
    targets: Int[np.ndarray, " item"], predicted: Int[np.ndarray, " item"], *, scenes: int
) -> dict[str, Shaped[np.ndarray, " scene"]]:
    """Return precision, recall, f1 and support of each class.

    A share of nothing is 0: the precision of a class that is never predicted, the recall of a
    class without items (as scikit-learn's `zero_division=0`).

    Raises:
        ValueError: an index outside the `scenes` classes.
    """
    counts = confusion(targets, predicted, scenes=scenes)
    hits, support = counts.diagonal(), counts.sum(axis=1)
    guesses = counts[:, :scenes].sum(axis=0)
    return {
        "precision": hits / guesses.clip(1),
        "recall": hits / support.clip(1),
        "f1": 2 * hits / (guesses + support).clip(1),
        "support": support,
    }
