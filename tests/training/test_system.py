import numpy as np
import pytest
import torch
from torch import nn

from avsc.training.system import System, predict


class Sum(nn.Module):
    def forward(self, x):
        return sum(rows.flatten(1).sum(1, keepdim=True) for rows in x.values()) * torch.ones(1, 2)


def test_features_get_mean_0_and_deviation_1_of_the_rows_measured():
    s = System(Sum(), {"audio": (2,)}, standardise=True)
    s.measure({"audio": torch.tensor([[1.0, 5.0], [3.0, 5.0]])})
    x = s.prepare({"audio": torch.tensor([[1.0, 5.0], [4.0, 6.0]])})["audio"]
    torch.testing.assert_close(
        x, torch.tensor([[-1.0, 0.0], [2.0, 1.0]])
    )  # a constant keeps scale 1


def test_frames_of_a_sequence_share_their_statistics():
    s = System(Sum(), {"audio": (2, 1)}, standardise=True)
    s.measure({"audio": torch.tensor([[[0.0], [2.0]], [[4.0], [6.0]]])})
    assert s.mean_audio.tolist() == [3.0]
    assert s.scale_audio.item() == pytest.approx(5**0.5)


def test_without_standardising_inputs_stay_as_they_are():
    s = System(Sum(), {"audio": (2,)}, standardise=False)
    x = {"audio": torch.tensor([[1.0, 5.0]])}
    s.measure(x)
    assert torch.equal(s.prepare(x)["audio"], x["audio"])


def test_statistics_travel_with_the_weights():
    s, t = (System(Sum(), {"audio": (2,)}, standardise=True) for _ in range(2))
    s.measure({"audio": torch.tensor([[1.0, 5.0], [3.0, 9.0]])})
    t.load_state_dict(s.state_dict())
    x = {"audio": torch.tensor([[7.0, 7.0]])}
    assert torch.equal(s(x), t(x))


def test_probabilities_do_not_depend_on_how_many_rows_go_at_once():
    s = System(Sum(), {"audio": (2,)}, standardise=True)
    x = {"audio": torch.randn(10, 2, generator=torch.Generator().manual_seed(0))}
    np.testing.assert_array_equal(predict(s, x, rows=3), predict(s, x))
    assert predict(s, x).dtype == np.float64
