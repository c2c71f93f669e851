import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from avsc.scoring import metrics

EPS = float(np.finfo(float).eps)
TARGETS = np.array([0, 0, 0, 1])
PROBS = np.array([[0.5, 0.5], [0.5, 0.5], [1.0, 0.0], [0.75, 0.25]])


def random_fold(seed, *, scenes=4, items=200):
    rng = np.random.default_rng(seed)
    return rng.integers(0, scenes, items), rng.dirichlet(np.ones(scenes), items)


def test_each_class_counts_once_in_the_macro_log_loss():
    # class 0: (ln 2 + ln 2 + 0) / 3; class 1: ln 4
    expected = (2 * math.log(2) / 3 + math.log(4)) / 2
    assert metrics.log_loss_macro(TARGETS, PROBS) == pytest.approx(expected)


def test_each_item_counts_once_in_the_micro_log_loss():
    assert metrics.log_loss_micro(TARGETS, PROBS) == pytest.approx(math.log(2))  # (1+1+0+2)/4 ln 2


def test_accuracies_weigh_classes_or_items():
    predicted = np.array([0, 0, 1, 1])
    assert metrics.accuracy_macro(TARGETS, predicted) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.accuracy_micro(TARGETS, predicted) == pytest.approx(3 / 4)


def test_a_class_without_items_does_not_enter_macro_values():
    probs = np.array([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]])
    targets = np.array([0, 2])
    assert metrics.log_loss_macro(targets, probs) == pytest.approx(math.log(2))
    assert metrics.accuracy_macro(targets, np.array([0, 1])) == pytest.approx(0.5)


def test_a_certain_error_costs_the_floor():
    probs = np.array([[0.0, 1.0]])
    loss = metrics.log_loss_macro(np.array([0]), probs)
    assert loss == pytest.approx(15 * math.log(10))
    loss = metrics.log_loss_macro(np.array([0]), probs, floor=0.01)
    assert loss == pytest.approx(math.log(100))


def test_rounded_rows_are_divided_by_their_sum_unless_taken_as_written():
    targets, probs = np.array([0]), np.array([[0.5, 0.497]])
    rounded = metrics.log_loss_micro(targets, probs, atol=0.01)
    assert rounded == pytest.approx(math.log(0.997 / 0.5))
    written = metrics.log_loss_micro(targets, probs, atol=0.01, renormalise=False)
    assert written == pytest.approx(math.log(2))


def test_confusion_counts_truth_by_row_and_no_answer_last():
    counts = metrics.confusion(TARGETS, np.array([0, 1, metrics.NONE, 1]), scenes=2)
    assert counts.tolist() == [[1, 1, 1], [0, 1, 0]]


def test_per_class_values_by_hand():
    # class 0: 3 items, 2 guesses, 1 hit; class 1: 1 item, 1 guess, 1 hit; class 2: 1 false alarm
    predicted = np.array([0, 2, metrics.NONE, 1, 0])
    table = metrics.per_class(np.array([0, 0, 0, 1, 1]), predicted, scenes=4)
    assert table["precision"] == pytest.approx([1 / 2, 1, 0, 0])
    assert table["recall"] == pytest.approx([1 / 3, 1 / 2, 0, 0])
    assert table["f1"] == pytest.approx([2 / 5, 2 / 3, 0, 0])
    assert table["support"].tolist() == [3, 2, 0, 0]


@pytest.mark.parity
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_sklearn(seed):
    targets, probs = random_fold(seed)
    predicted, labels = probs.argmax(axis=1), range(4)
    weight = 1 / np.bincount(targets)[targets]
    assert metrics.log_loss_macro(targets, probs, floor=EPS) == pytest.approx(
        sklearn.metrics.log_loss(targets, probs, sample_weight=weight)
    )
    assert metrics.log_loss_micro(targets, probs, floor=EPS) == pytest.approx(
        sklearn.metrics.log_loss(targets, probs)
    )
    assert metrics.accuracy_macro(targets, predicted) == pytest.approx(
        sklearn.metrics.balanced_accuracy_score(targets, predicted)
    )
    assert metrics.accuracy_micro(targets, predicted) == pytest.approx(
        sklearn.metrics.accuracy_score(targets, predicted)
    )
    table = metrics.per_class(targets, predicted, scenes=4)
    reference = sklearn.metrics.precision_recall_fscore_support(targets, predicted, labels=labels)
    for name, expected in zip(("precision", "recall", "f1", "support"), reference, strict=True):
        assert table[name] == pytest.approx(expected)
    counts = metrics.confusion(targets, predicted, scenes=4)
    assert (counts[:, :4] == sklearn.metrics.confusion_matrix(targets, predicted)).all()


@pytest.mark.parity
def test_agrees_with_sklearn_where_the_true_class_has_probability_zero():
    targets, probs = np.array([0, 1, 1]), np.array([[0.0, 1.0], [0.25, 0.75], [1.0, 0.0]])
    ours = metrics.log_loss_micro(targets, probs, floor=EPS, renormalise=False)
    assert ours == pytest.approx(sklearn.metrics.log_loss(targets, probs))


@given(st.integers(2, 12), st.integers(1, 40), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_a_uniform_guess_costs_the_logarithm_of_the_number_of_classes(scenes, items, seed):
    targets = np.random.default_rng(seed).integers(0, scenes, items)
    probs = np.full((items, scenes), 1 / scenes)
    assert metrics.log_loss_macro(targets, probs) == pytest.approx(math.log(scenes))
    assert metrics.log_loss_micro(targets, probs) == pytest.approx(math.log(scenes))


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_the_order_of_items_does_not_matter(seed):
    targets, probs = random_fold(seed, items=30)
    order = np.random.default_rng(seed).permutation(30)
    for loss in (metrics.log_loss_macro, metrics.log_loss_micro):
        assert loss(targets[order], probs[order]) == pytest.approx(loss(targets, probs))


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_macro_equals_micro_where_classes_have_equal_support(seed):
    targets, (_, probs) = np.repeat(np.arange(4), 5), random_fold(seed, items=20)
    assert metrics.log_loss_macro(targets, probs) == pytest.approx(
        metrics.log_loss_micro(targets, probs)
    )


@pytest.mark.parametrize(
    ("targets", "probs", "message"),
    [
        ([0], [[3.0, 1.0]], r"probs\[0\] sums to 4.0000, not 1 .*1 of 1 rows.*softmax"),
        ([0, 1], [[0.5, 0.5], [-0.5, 1.5]], r"probs\[1\] holds -0.5000, expected 0 to 1.*softmax"),
        ([0], [[np.nan, 1.0]], r"probs\[0\] holds NaN or infinity .*expected probabilities"),
        ([2], [[0.5, 0.5]], r"targets\[0\] is 2, expected 0 to 1 .*same classes"),
        ([-1], [[0.5, 0.5]], r"targets\[0\] is -1, expected 0 to 1"),
        ([0.0], [[0.5, 0.5]], r"targets has dtype float64, expected integers"),
        ([0, 1], [[0.5, 0.5]], r"shape \(1, 2\) and targets \(2,\), expected \(item, scene\)"),
        ([0], [0.5], r"probs has shape \(1,\)"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_the_place_and_the_remedy(targets, probs, message):
    with pytest.raises(ValueError, match=message):
        metrics.validate(np.array(targets), np.array(probs))


def test_an_empty_fold_is_refused():
    with pytest.raises(ValueError, match=r"shape \(0, 3\), expected at least one item"):
        metrics.validate(np.zeros(0, dtype=int), np.zeros((0, 3)))


@pytest.mark.parametrize("floor", [0.0, 0.5, -1.0])
def test_a_floor_that_is_no_probability_is_refused(floor):
    with pytest.raises(ValueError, match=r"floor is .*, expected above 0 and below 0.5; 1e-15"):
        metrics.log_loss_macro(TARGETS, PROBS, floor=floor)


def test_logits_are_refused_by_both_losses():
    for loss in (metrics.log_loss_macro, metrics.log_loss_micro):
        with pytest.raises(ValueError, match="softmax"):
            loss(np.array([0, 1]), np.array([[0.5, 0.5], [3.0, 1.0]]))


def test_a_predicted_class_outside_the_classes_is_refused():
    with pytest.raises(ValueError, match=r"predicted\[1\] is 5, expected -1 to 1"):
        metrics.confusion(np.array([0, 1]), np.array([0, 5]), scenes=2)
