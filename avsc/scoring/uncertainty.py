"""How far a score is to be trusted: locations drawn again, and left out one by one.

Clips of one location are alike, so what is drawn is the location, with all of its items: 95 %
intervals of a macro average, over locations that might have been recorded instead.

Strata: locations are drawn with replacement among those of their scene, as folds are made scene
by scene; a scene never vanishes from a resample. Of n locations n - 1 are drawn: n of n would
have the spread too small by sqrt((n - 1) / n), much where a scene has four locations. Locations
that hold several scenes join these scenes into one stratum; a resample of it that lacks a scene
is averaged over the scenes that it has, as `metrics.macro` does.

Unknown: one location cannot show how much locations differ. Where a scene has a single one, the
bounds are None; without its share they would be too narrow.

The same locations are drawn for equal `locations` and `seed`, whatever the system. The macro
average is linear, so the interval of a difference of two systems is that of the items'
differences: a paired comparison.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Shaped
from scipy.special import bdtr, stdtrit

from avsc.scoring import metrics

LOW, HIGH = 0.025, 0.975
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A macro average and its 95 % intervals; bounds are None where they cannot be known.

    Attributes:
        value: the macro average over the items, as `metrics.macro` gives it.
        bootstrap_low: quantile 0.025 of the resamples.
        bootstrap_high: quantile 0.975.
        jackknife_low: value - t standard errors, with Student's t of as many degrees of freedom
            as there are locations, less one a stratum.
        jackknife_high: value + t standard errors, so beyond 0 and 1 it may be.
        locations: how many there are.
        resamples: how many were drawn.
    """

    value: float
    bootstrap_low: float | None
    bootstrap_high: float | None
    jackknife_low: float | None
    jackknife_high: float | None
    locations: int
    resamples: int


@dataclass(frozen=True)
class McNemar:
    """Items on which two systems differ, and how likely such a split is if they are equals.

    Attributes:
        b: items that the first alone gets right.
        c: items that the second alone gets right.
        p: two-sided, exact: of b + c tosses of a coin. Items count as independent, which seconds
            of a clip are not: read it beside the interval over locations.
    """

    b: int
    c: int
    p: float


def macro_interval(
    targets: Int[np.ndarray, " item"],
    values: Float[np.ndarray, " item"],
    locations: Shaped[np.ndarray, " item"],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return the macro average of `values` and its 95 % intervals over locations.

    Args:
        targets: class of each item.
        values: loss of each item, 0 or 1 for wrong or right, or differences of two systems'.
        locations: where each item is from; any labels.
        resamples: number of times that the locations are drawn.
        seed: of the draws.

    Raises:
        ValueError: no items, or fewer than two resamples.

    References:
        Rao and Wu, Resampling inference with complex survey data, JASA 83, 1988: n - 1 of n;
            their weights n / (n - 1) cancel in a scene's mean. Percentiles as they are.
        Wolter, Introduction to variance estimation, 2007 (stratified jackknife, chapter 4).
    """
    if not len(targets) or resamples < 2:
        raise ValueError(
            f"{len(targets)} items and {resamples} resamples, expected 1 item and 2 resamples or "
            "more; is the test fold empty?"
        )
    totals, counts = _sums(targets, values, locations)
    value, places = metrics.macro(targets, values.astype(np.float64)), len(totals)
    if (counts > 0).sum(axis=0).min() < 2:
        return Interval(value, None, None, None, None, places, resamples)
    strata = _strata(counts > 0)
    drawn = macros(draws(strata, resamples=resamples, seed=seed), totals, counts)
    low, high = np.quantile(drawn, [LOW, HIGH])
    left_out = macros(1 - np.eye(places, dtype=int), totals, counts)
    degrees = places - strata.max() - 1
    margin = float(stdtrit(degrees, HIGH)) * _standard_error(left_out, strata)
    return Interval(
        value, float(low), float(high), value - margin, value + margin, places, resamples
    )


def macros(
    weights: Int[np.ndarray, "resample location"],
    totals: Float64[np.ndarray, "location scene"],
    counts: Float64[np.ndarray, "location scene"],
) -> Float64[np.ndarray, " resample"]:
    """Return the macro average of each resample, over the scenes that it has.

    Args:
        weights: how often each location is drawn.
        totals: sum of the values of each location's items of each scene.
        counts: number of these items.
    """
    items = weights @ counts
    means = weights @ totals / np.where(items > 0, items, 1)
    return means.sum(axis=1) / (items > 0).sum(axis=1)


def draws(
    strata: Int[np.ndarray, " location"], *, resamples: int, seed: int
) -> Int[np.ndarray, "resample location"]:
    """Return how often each location is drawn: of the n of its stratum, n - 1 with replacement."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((resamples, len(strata)), dtype=int)
    for stratum in np.unique(strata):
        own = np.flatnonzero(strata == stratum)
        even = np.full(len(own), 1 / len(own))
        weights[:, own] = rng.multinomial(len(own) - 1, even, resamples)
    return weights


def mcnemar(one: Bool[np.ndarray, " item"], other: Bool[np.ndarray, " item"]) -> McNemar:
    """Return the exact test of McNemar, of which items two systems get right.

    References:
        McNemar, Psychometrika 12, 1947; exact as in scipy.stats.binomtest(b, b + c).
    """
    b, c = int((one & ~other).sum()), int((other & ~one).sum())
    return McNemar(b, c, min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5))))


def _sums(
    targets: Int[np.ndarray, " item"],
    values: Float[np.ndarray, " item"],
    locations: Shaped[np.ndarray, " item"],
) -> tuple[Float64[np.ndarray, "location scene"], Float64[np.ndarray, "location scene"]]:
    """Return sums and counts of each location's items, of each scene that occurs."""
    names, place = np.unique(locations, return_inverse=True)
    scenes, scene = np.unique(targets, return_inverse=True)
    cell, shape = place * len(scenes) + scene, (len(names), len(scenes))
    size = len(names) * len(scenes)
    totals = np.bincount(cell, weights=values, minlength=size).reshape(shape)
    return totals, np.bincount(cell, minlength=size).reshape(shape).astype(np.float64)


def _strata(occurs: Bool[np.ndarray, "location scene"]) -> Int[np.ndarray, " location"]:
    """Return a number for each location, equal where scenes are shared, over others or directly."""
    linked = np.linalg.matrix_power(occurs.T @ occurs, occurs.shape[1])
    first = linked.argmax(axis=1)[occurs.argmax(axis=1)]
    return np.unique(first, return_inverse=True)[1]


def _standard_error(
    left_out: Float64[np.ndarray, " location"], strata: Int[np.ndarray, " location"]
) -> float:
    """Return the standard error, of the values without one location each."""
    size = np.bincount(strata)
    mean = np.bincount(strata, weights=left_out) / size
    squares = np.bincount(strata, weights=(left_out - mean[strata]) ** 2)
    return float(np.sqrt(((size - 1) / size * squares).sum()))
