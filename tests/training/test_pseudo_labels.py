import math

import numpy as np
import pytest

from avsc.training.pseudo_labels import doubtful, least_probability, probabilities

LOGITS = np.array([[0.0, math.log(3)], [math.log(3), 0.0], [0.0, 0.0]], dtype=np.float32)
COUNT = np.array([2, 1])


def test_sigmoids_are_maximised_over_the_rows_of_a_clip():
    probs, count = probabilities(LOGITS, COUNT)
    np.testing.assert_allclose(probs, [[0.75, 0.75], [0.5, 0.5]], rtol=1e-6)
    assert count.tolist() == [1, 1]


def test_softmax_and_mean_are_the_other_reading():
    probs, _ = probabilities(LOGITS, COUNT, activation="softmax", pooling="mean")
    np.testing.assert_allclose(probs, [[0.5, 0.5], [0.5, 0.5]], rtol=1e-6)


def test_without_pooling_every_row_keeps_its_own():
    probs, count = probabilities(LOGITS, COUNT, pooling="none")
    np.testing.assert_allclose(probs, [[0.5, 0.75], [0.75, 0.5], [0.5, 0.5]], rtol=1e-6)
    assert count.tolist() == [2, 1]


@pytest.mark.parametrize("argument", ["activation", "pooling"])
def test_another_word_is_refused_with_those_there_are(argument):
    with pytest.raises(ValueError, match=f"{argument} is 'relu', expected one of"):
        probabilities(LOGITS, COUNT, **{argument: "relu"})


PROBS = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.99, 0.98, 0.97]])
TRAINING = np.array([True, True, False])


def test_quantile_is_taken_of_the_training_fold_alone():
    # of 0.1 ... 0.6 the 80 % quantile is at place 4 of 0 to 5: 0.5
    assert least_probability(PROBS, TRAINING, quantile=0.8) == pytest.approx(0.5)
    assert least_probability(PROBS, TRAINING, threshold=0.7) == 0.7


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "threshold is None, quantile is None; give one of the two"),
        ({"threshold": 0.5, "quantile": 0.9}, r"threshold is 0\.5, quantile is 0\.9; give one"),
        ({"quantile": 99}, "quantile is 99, expected 0 to 1"),
    ],
)
def test_threshold_and_quantile_exclude_each_other(given, message):
    with pytest.raises(ValueError, match=message):
        least_probability(PROBS, TRAINING, **given)


def test_many_labels_an_item_are_doubted_with_what_to_set():
    labels = np.zeros((4, 1000), bool)
    labels[:, :53] = True
    doubt = doubtful(labels, activation="sigmoid")
    assert doubt.startswith("53.0 labels an item, 53 of 1000 classes in use; ")
    assert "take activation: softmax; and set quantile: 0.995 in place of threshold, for" in doubt
    assert "softmax" not in doubtful(labels, activation="softmax")


def test_no_labels_are_doubted_and_some_are_not():
    labels = np.zeros((4, 20), bool)
    expected = (
        "0.0 labels an item, 0 of 20 classes in use; set quantile: 0.75 in place of threshold"
    )
    assert doubtful(labels, activation="sigmoid") == f"{expected}, for about 5"
    labels[0, 0] = True
    assert doubtful(labels, activation="sigmoid") is None


def test_suggested_activation_and_quantile_label_what_a_softmax_network_sees():
    # a network of 200 classes, trained by softmax, that is sure of one: sigmoids pass them all
    logits = np.full((50, 200), 4.0, np.float32) + np.random.default_rng(0).normal(size=(50, 200))
    seen = np.arange(50) % 200
    logits[np.arange(50), seen] += 8
    logits, count, every = logits.astype(np.float32), np.ones(50, int), np.ones(50, bool)
    dense = probabilities(logits, count)[0] >= 0.9216
    assert doubtful(dense, activation="sigmoid")
    probs, _ = probabilities(logits, count, activation="softmax")
    labels = probs >= least_probability(probs, every, quantile=0.975)
    assert doubtful(labels, activation="softmax") is None
    assert labels[np.arange(50), seen].all()
    assert labels.sum(axis=1).mean() == pytest.approx(5, abs=0.1)
