import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsc.scoring import calibration
from avsc.scoring.calibration import reliability, tempered

PROBS = np.array([[0.7, 0.3], [0.2, 0.8], [0.9, 0.1], [0.95, 0.05], [0.5, 0.5]])
RIGHT = np.array([True, False, True, True, False])


def test_the_error_is_the_hand_worked_one():
    found = reliability(PROBS, RIGHT, bins=4)
    # (0.25, 0.5]: 0.5 wrong. (0.5, 0.75]: 0.7 right. (0.75, 1]: 0.8 wrong, 0.9 and 0.95 right
    last = (0.8 + 0.9 + 0.95) / 3
    expected = [(0.25, 0.5, 1, 0.5, 0.0), (0.5, 0.75, 1, 0.7, 1.0), (0.75, 1.0, 3, last, 2 / 3)]
    names = ("bin_low", "bin_high", "items", "confidence", "accuracy")
    assert [tuple(row) for row in found.bins] == [names] * 3
    for row, values in zip(found.bins, expected, strict=True):
        assert tuple(row.values()) == pytest.approx(values)
    assert found.ece == pytest.approx(0.2 * 0.5 + 0.2 * 0.3 + 0.6 * (last - 2 / 3))


def test_a_bin_holds_its_upper_end_and_the_diagram_has_fifteen():
    found = reliability(np.array([[1.0, 0.0]]), np.array([True]))
    assert found.bins[0]["bin_high"] == 1
    assert found.bins[0]["bin_low"] == pytest.approx(14 / 15)
    assert found.ece == 0


def test_an_item_in_quarantine_is_unsure_and_wrong():
    found = reliability(np.full((1, 4), 0.25), np.array([False]), bins=10)
    assert found.bins == [
        {
            "bin_low": pytest.approx(0.2),
            "bin_high": pytest.approx(0.3),
            "items": 1,
            "confidence": 0.25,
            "accuracy": 0.0,
        }
    ]


@given(st.integers(0, 2**31), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_the_error_is_the_mean_over_the_items_of_their_bins_gap(seed, bins):
    rng = np.random.default_rng(seed)
    probs, right = rng.dirichlet(np.ones(3), 50), rng.random(50) < 0.5
    found = reliability(probs, right, bins=bins)
    sure, gaps = probs.max(axis=1), []
    for p in sure:
        mates = [q for q in range(50) if math.ceil(sure[q] * bins) == math.ceil(p * bins)]
        gaps.append(abs(sure[mates].mean() - right[mates].mean()))
    assert found.ece == pytest.approx(np.mean(gaps))
    assert sum(row["items"] for row in found.bins) == 50


@pytest.mark.parametrize(("items", "bins"), [(0, 15), (5, 0)])
def test_no_items_and_no_bins_are_refused(items, bins):
    with pytest.raises(ValueError, match=f"^{items} items and {bins} bins, expected 1 of each"):
        reliability(PROBS[:items], RIGHT[:items], bins=bins)


def test_a_temperature_of_two_takes_the_root_of_the_odds():
    odds = tempered(np.array([[0.9, 0.1]]), 2.0)[0]
    assert odds[0] / odds[1] == pytest.approx(3)  # 9 to 1 before
    assert odds.sum() == pytest.approx(1)


def test_a_temperature_of_one_changes_nothing_and_none_changes_the_order():
    np.testing.assert_allclose(tempered(PROBS, 1.0), PROBS, atol=1e-12)
    for temperature in (0.05, 3.0, 20.0):
        order = tempered(PROBS, temperature).argsort(axis=1)
        np.testing.assert_array_equal(order[:4], PROBS.argsort(axis=1)[:4])


def test_probabilities_of_zero_stay_finite():
    assert np.isfinite(calibration.log_probs(np.array([[1.0, 0.0]]))).all()
    np.testing.assert_allclose(tempered(np.array([[1.0, 0.0]]), 0.05), [[1, 0]], atol=1e-12)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_that_is_not_above_zero_is_refused(temperature):
    with pytest.raises(ValueError, match=r"the temperature is .*, expected above 0"):
        tempered(PROBS, temperature)
