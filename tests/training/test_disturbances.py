import numpy as np
import pytest
import torch
from torch import nn

from avsc.training.disturbances import later, without
from avsc.training.system import System, predict


class Sum(nn.Module):
    def forward(self, x):
        return torch.stack(list(x.values())).sum(0)


def system(*, shape=(2,), standardise=True):
    return System(Sum(), {"audio": shape, "video": (2,)}, standardise=standardise)


def rows(*values):
    return torch.tensor(values, dtype=torch.float32)


X = {"audio": rows([1, 2], [3, 4]), "video": rows([5, 6], [7, 8])}
TRAIN = {"audio": rows([10, 20], [30, 20]), "video": rows([0, 0], [2, 2])}


@pytest.mark.parametrize("x", [X, {"video": X["video"]}])
def test_missing_modality_is_its_training_mean_which_is_0_after_standardisation(x):
    trained = system()
    trained.measure(TRAIN)
    found = without("audio", x, trained)
    assert found["audio"].tolist() == [[20, 20], [20, 20]]
    assert found["video"] is X["video"]
    assert trained.prepare(found)["audio"].tolist() == [[0, 0], [0, 0]]


def test_missing_modality_is_0_where_inputs_are_not_standardised():
    trained = system(standardise=False)
    trained.measure(TRAIN)
    assert trained.prepare(without("audio", X, trained))["audio"].tolist() == [[0, 0], [0, 0]]


def test_a_head_that_takes_frames_gets_the_mean_in_each_of_them():
    trained = system(shape=(3, 2))
    frames = rows([[1, 10], [2, 20], [3, 30]], [[3, 30], [4, 40], [5, 50]])
    trained.measure({"audio": frames, "video": TRAIN["video"]})
    found = without("audio", {"audio": frames, "video": X["video"]}, trained)
    assert found["audio"].tolist() == [[[3, 30]] * 3] * 2


def test_without_a_modality_what_it_holds_changes_nothing():
    trained = system()
    trained.measure(TRAIN)
    other = X | {"audio": -100 * X["audio"]}
    found, expected = (predict(trained, without("audio", x, trained)) for x in (other, X))
    np.testing.assert_array_equal(found, expected)


def test_a_modality_that_the_system_does_not_take_cannot_be_missing():
    with pytest.raises(ValueError, match="missing is 'smell', but the system takes audio, video"):
        without("smell", X, system())


@pytest.mark.parametrize("x", [{"audio": X["audio"]}, {}])
def test_both_modalities_missing_is_refused(x):
    with pytest.raises(ValueError, match="missing is 'audio', and there is no other modality"):
        without("audio", x, system())


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(1, [2, 0, 1, 12, 10, 11]), (-1, [1, 2, 0, 11, 12, 10]), (2, [1, 2, 0, 11, 12, 10])],
)
def test_rows_come_later_within_their_own_clip(seconds, expected):
    assert later(rows(0, 1, 2, 10, 11, 12), seconds, [3, 3]).tolist() == expected


def test_clips_may_be_of_different_lengths():
    assert later(rows(0, 1, 10, 11, 12), 1, [2, 3]).tolist() == [1, 0, 12, 10, 11]


@pytest.mark.parametrize("seconds", [0, 2, -2, 0.5])
def test_a_shift_that_is_none_or_longer_than_a_clip_is_refused(seconds):
    with pytest.raises(ValueError, match=r"expected whole seconds, not 0, and fewer than the 2"):
        later(rows(0, 1, 2, 3, 4), seconds, [3, 2])
