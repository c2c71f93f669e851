import pytest
import torch
from torch import nn

from avsc.training.dropout import LEVELS, Dropout, factors, replaced


def drawn(shape, p, seed=0):
    return factors(torch.Size(shape), p, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("p", [0.001, 0.2, 0.5, 0.9])
def test_a_share_p_is_dropped_and_the_rest_keeps_the_expectation(p):
    found = drawn((1000, 1001), p)
    assert found.unique().tolist() == pytest.approx([0, 1 / (1 - p)], rel=2 / LEVELS / (1 - p))
    spread = (p * (1 - p) / found.numel()) ** 0.5
    assert (found == 0).double().mean().item() == pytest.approx(p, abs=4 * spread + 1 / LEVELS)
    assert found.double().mean().item() == pytest.approx(1, abs=4 * spread / (1 - p))


def test_numbers_are_dropped_independently_of_their_neighbours():
    dropped = (drawn((100_000, 8), 0.3) == 0).double()
    off = torch.corrcoef(dropped.T) - torch.eye(8)
    assert off.abs().max() < 5 / 100_000**0.5


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5])
def test_any_count_of_numbers_is_drawn(count):
    assert drawn((count,), 0.5).shape == (count,)


def test_almost_all_can_be_dropped():
    assert drawn((1000,), 1 - 1e-9).max().item() in {0, LEVELS}


def test_a_seed_draws_the_same_once_more_and_another_something_else():
    assert torch.equal(drawn((64,), 0.5), drawn((64,), 0.5))
    assert not torch.equal(drawn((64,), 0.5), drawn((64,), 0.5, seed=1))


def test_gradients_pass_where_numbers_pass():
    x = torch.ones(40, 3, requires_grad=True)
    y = Dropout(0.4)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    assert 0 < (y == 0).sum() < y.numel()


@pytest.mark.parametrize("layer", [nn.Dropout, Dropout])
def test_what_is_random_in_torchs_own_is_random_in_ours(layer):
    x = torch.full((3,), 2.0, dtype=torch.bfloat16)
    assert layer(0.5)(x).dtype == x.dtype
    assert torch.equal(layer(0.5).eval()(x), x)
    assert torch.equal(layer(0.0)(x), x)
    assert torch.equal(layer(1.0)(x), torch.zeros_like(x))


def test_a_head_gets_ours_in_the_place_of_torchs():
    class Other(nn.Dropout):
        pass

    head = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.3)), nn.Dropout(0), Other(0.1))
    assert replaced(head) is head
    assert [type(layer) for layer in (*head[0], *head[1:])] == [
        nn.Linear,
        Dropout,
        nn.Dropout,
        Other,
    ]
    assert head[0][1].p == 0.3
