import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from avsc.scoring import metrics, uncertainty
from avsc.scoring.uncertainty import macro_interval, mcnemar

# scene 0 at a and b, scene 1 at c and d, an item each
TARGETS = np.array([0, 0, 1, 1])
VALUES = np.array([1.0, 3.0, 0.0, 0.0])
LOCATIONS = np.array(["a", "b", "c", "d"])


def fold(seed, *, scenes=3, locations=4, most=5):
    """Return targets, values and locations of items that are alike within a place."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, most + 1, scenes * locations)
    place = np.repeat(np.arange(scenes * locations), size)
    values = rng.gamma(1, 1, scenes * locations)[place] + rng.normal(0, 0.3, len(place))
    return place // locations, values, np.array([f"place{p:03d}" for p in place])


def test_two_locations_a_scene_are_drawn_one_at_a_time():
    found = macro_interval(TARGETS, VALUES, LOCATIONS)
    assert found.value == 1  # of scene means 2 and 0
    # scene 0 has mean 1 or 3 with equal chance, scene 1 always 0
    assert (found.bootstrap_low, found.bootstrap_high) == (0.5, 1.5)
    assert (found.locations, found.resamples) == (4, 2000)


def test_the_jackknife_is_the_hand_worked_one():
    found = macro_interval(TARGETS, VALUES, LOCATIONS)
    # without a 1.5, without b 0.5, without c or d 1: 1/2 (0.25 + 0.25) = 0.5 squared; 4 - 2
    # degrees of freedom, whose quantile 0.975 tables give as 4.3027
    assert found.jackknife_low == pytest.approx(1 - 4.3027 * 0.5, abs=1e-4)
    assert found.jackknife_high == pytest.approx(1 + 4.3027 * 0.5, abs=1e-4)


def test_of_one_scene_with_an_item_a_location_the_jackknife_is_students_interval():
    values = np.random.default_rng(1).normal(2, 1, 9)
    found = macro_interval(np.zeros(9, int), values, np.arange(9))
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.jackknife_low, found.jackknife_high) == pytest.approx(expected)


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_a_resample_scores_as_the_items_of_the_drawn_locations_do(seed):
    targets, values, locations = fold(seed)
    names = np.unique(locations)
    strata = np.array([targets[locations == name][0] for name in names])
    weights = uncertainty.draws(strata, resamples=30, seed=seed)
    totals = np.zeros((len(names), 3))
    counts = np.zeros((len(names), 3))
    for i, name in enumerate(names):
        for scene in range(3):
            own = (locations == name) & (targets == scene)
            totals[i, scene], counts[i, scene] = values[own].sum(), own.sum()
    found = uncertainty.macros(weights, totals, counts)
    for drawn, value in zip(weights, found, strict=True):
        rows = [
            np.flatnonzero(locations == n)
            for n, k in zip(names, drawn, strict=True)
            for _ in range(k)
        ]
        items = np.concatenate(rows)
        assert value == pytest.approx(metrics.macro(targets[items], values[items]))
    assert macro_interval(targets, values, locations, resamples=30, seed=seed).bootstrap_low == (
        pytest.approx(np.quantile(found, 0.025))
    )


def test_the_bootstrap_equals_a_plain_loop_over_the_scenes_within_its_chance():
    targets, values, locations = fold(3, scenes=4, locations=9)
    rng = np.random.default_rng(99)
    own = [np.unique(locations[targets == scene]) for scene in range(4)]
    rows = {name: np.flatnonzero(locations == name) for names in own for name in names}
    plain = []
    for _ in range(4000):
        drawn = [name for names in own for name in rng.choice(names, len(names) - 1)]
        items = np.concatenate([rows[name] for name in drawn])
        plain.append(np.mean([values[items][targets[items] == k].mean() for k in range(4)]))
    found = macro_interval(targets, values, locations, resamples=20000)
    width = found.bootstrap_high - found.bootstrap_low
    low, high = np.quantile(plain, [0.025, 0.975])
    assert found.bootstrap_low == pytest.approx(low, abs=0.05 * width)
    assert found.bootstrap_high == pytest.approx(high, abs=0.05 * width)


def test_the_jackknife_equals_a_plain_loop_over_the_locations():
    targets, values, locations = fold(4, scenes=3, locations=5)
    variance = 0.0
    for scene in range(3):
        names = np.unique(locations[targets == scene])
        left = np.array(
            [metrics.macro(targets[locations != n], values[locations != n]) for n in names]
        )
        variance += 4 / 5 * ((left - left.mean()) ** 2).sum()
    found = macro_interval(targets, values, locations)
    margin = stats.t.ppf(0.975, 15 - 3) * np.sqrt(variance)
    assert found.jackknife_high == pytest.approx(found.value + margin)
    assert found.jackknife_low == pytest.approx(found.value - margin)


@pytest.mark.slow
def test_the_truth_is_within_the_intervals_about_as_often_as_they_say():
    rng, inside = np.random.default_rng(5), np.zeros(2)
    locations = np.repeat(np.arange(40), 5)
    for _ in range(300):
        values = rng.gamma(1, 1, 40)[locations] + rng.normal(0, 1, len(locations))
        i = macro_interval(locations // 4, values, locations, resamples=400)
        inside += [
            i.bootstrap_low <= 1 <= i.bootstrap_high,
            i.jackknife_low <= 1 <= i.jackknife_high,
        ]
    assert (inside / 300 >= 0.9).all()
    assert (inside / 300 <= 0.98).all()


def test_more_clips_of_the_same_places_make_no_score_surer():
    once = macro_interval(*fold(6))
    thrice = macro_interval(*(np.repeat(a, 3) for a in fold(6)))
    for bound in ("bootstrap_low", "bootstrap_high", "jackknife_low", "jackknife_high"):
        assert getattr(thrice, bound) == pytest.approx(getattr(once, bound))


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_the_order_of_items_does_not_matter_and_the_value_is_the_headline(seed):
    arrays = fold(seed)
    order = np.random.default_rng(seed).permutation(len(arrays[0]))
    one, other = macro_interval(*arrays), macro_interval(*(a[order] for a in arrays))
    assert one.value == metrics.macro(*arrays[:2])
    for bound in ("value", "bootstrap_low", "bootstrap_high", "jackknife_low", "jackknife_high"):
        assert getattr(other, bound) == pytest.approx(getattr(one, bound))


def test_two_systems_are_compared_over_the_same_draws():
    targets, values, locations = fold(7)
    worse = values + 0.25
    difference = macro_interval(targets, worse - values, locations, seed=3)
    assert difference.bootstrap_low == pytest.approx(0.25)
    assert difference.bootstrap_high == pytest.approx(0.25)
    one, other = (macro_interval(targets, v, locations, seed=3) for v in (values, worse))
    assert other.bootstrap_high - one.bootstrap_high == pytest.approx(0.25)


def test_each_scene_keeps_one_location_less_than_it_has():
    strata = np.array([0, 1, 0, 1, 1, 0, 2, 2])
    weights = uncertainty.draws(strata, resamples=200, seed=1)
    for stratum, drawn in ((0, 2), (1, 2), (2, 1)):
        assert (weights[:, strata == stratum].sum(axis=1) == drawn).all()
    assert (weights >= 0).all()


def test_a_scene_with_a_single_location_leaves_the_bounds_unknown():
    found = macro_interval(
        np.array([0, 0, 1]), np.array([1.0, 0.0, 1.0]), np.array(["a", "b", "c"])
    )
    assert found.value == 0.75
    assert found.bootstrap_low is found.bootstrap_high is None
    assert found.jackknife_low is found.jackknife_high is None
    assert found.locations == 3


def test_scenes_of_one_location_share_a_stratum_and_may_be_absent_from_a_resample():
    # a holds scene 0, b both, c scene 1: two of a, b, c are drawn
    targets, values = np.array([0, 0, 1, 1]), np.array([0.0, 1.0, 0.5, 0.0])
    found = macro_interval(targets, values, np.array(["a", "b", "b", "c"]))
    # a a: 0; c c: 0; b b: (1 + 0.5) / 2; each with chance 1/9
    assert (found.bootstrap_low, found.bootstrap_high) == (0, 0.75)
    # without a (1 + .25) / 2, without b 0, without c (.5 + .5) / 2
    left = np.array([0.625, 0, 0.5])
    margin = stats.t.ppf(0.975, 2) * np.sqrt(2 / 3 * ((left - left.mean()) ** 2).sum())
    assert found.jackknife_high == pytest.approx(found.value + margin)


def test_a_class_that_does_not_occur_counts_for_nothing():
    gap = np.where(TARGETS == 1, 7, TARGETS)
    assert macro_interval(gap, VALUES, LOCATIONS) == macro_interval(TARGETS, VALUES, LOCATIONS)


@pytest.mark.parametrize(
    ("items", "resamples", "message"),
    [(0, 2000, "^0 items and 2000 resamples.*empty"), (4, 1, "^4 items and 1 resamples")],
)
def test_no_items_and_no_resamples_are_refused(items, resamples, message):
    with pytest.raises(ValueError, match=message):
        macro_interval(TARGETS[:items], VALUES[:items], LOCATIONS[:items], resamples=resamples)


def test_mcnemar_counts_what_one_alone_gets_right():
    one = np.array([True, True, True, True, False, False])
    other = np.array([True, False, False, False, False, False])
    found = mcnemar(one, other)
    assert (found.b, found.c) == (3, 0)
    assert found.p == pytest.approx(2 / 8)  # three heads, or three tails
    assert (mcnemar(other, one).b, mcnemar(other, one).c) == (0, 3)


def test_systems_that_never_differ_are_no_evidence():
    right = np.array([True, False])
    assert mcnemar(right, right).p == 1


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=50, deadline=None)
def test_mcnemar_is_the_exact_binomial_test(b, c):
    one = np.array([True] * b + [False] * c + [True, False])
    other = np.array([False] * b + [True] * c + [True, False])
    expected = stats.binomtest(b, b + c).pvalue if b + c else 1
    assert mcnemar(one, other).p == pytest.approx(expected)
