import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from avsc.scoring import tagging

TRUTH = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 0]], dtype=bool)
PROBS = np.array([[0.9, 0.8, 0.1], [0.2, 0.7, 0.9], [0.8, 0.6, 0.3], [0.1, 0.9, 0.2]])


def test_map_is_the_mean_over_the_classes_that_occur():
    # class 0: hits at ranks 1 and 3 of .9 .8 .2 .1: (1 + 2/3) / 2
    # class 1: hits at ranks 1, 3 and 4 of .9 .8 .7 .6: (1 + 2/3 + 3/4) / 3
    expected = ((1 + 2 / 3) / 2 + (1 + 2 / 3 + 3 / 4) / 3) / 2
    assert tagging.mean_average_precision(TRUTH, PROBS) == pytest.approx(expected)


def test_a_blind_guess_has_the_prevalence_as_its_map():
    constant = np.full(PROBS.shape, 0.5)
    assert tagging.mean_average_precision(TRUTH, constant) == tagging.prevalence(TRUTH) == 5 / 8


def test_truth_without_any_class_is_refused():
    with pytest.raises(ValueError, match="none of the 3 classes occurs"):
        tagging.mean_average_precision(np.zeros_like(TRUTH), PROBS)


@pytest.mark.parity
def test_precision_and_recall_agree_with_sklearn():
    labels = PROBS >= 0.7
    p, r, _, _ = precision_recall_fscore_support(TRUTH, labels, average="micro")
    assert tagging.precision_recall(TRUTH, labels) == pytest.approx({"precision": p, "recall": r})


def test_density_counts_labels_an_item_and_classes_ever_used():
    assert tagging.density(PROBS >= 0.9) == {"labels_per_item": 0.75, "classes_used": 3}
