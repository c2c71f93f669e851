import math

import numpy as np
import pytest

from avsc.training.pseudo_labels import probabilities

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
