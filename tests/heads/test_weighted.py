import pytest
import torch
from torch import nn

from avsc.heads.weighted import Head

DIMS = {"audio": (512,), "video": (512,)}
X = {"audio": torch.zeros(1, 512), "video": torch.zeros(1, 512)}


class Says(nn.Module):
    def __init__(self, *logits):
        super().__init__()
        self.logits = torch.tensor([logits])

    def forward(self, _):
        return self.logits


@pytest.fixture
def head():
    head = Head(DIMS, 2)
    head.branch = nn.ModuleDict({"audio": Says(1.0, 4.0), "video": Says(3.0, -2.0)})
    head.weight = nn.Parameter(torch.tensor([2.0, -0.5]))
    return head


def test_it_has_the_parameters_of_the_course_report():
    # of a branch: 512 -> 512: 262656, BatchNorm 1024; -> 10: 5130
    assert sum(p.numel() for p in Head(DIMS, 10).parameters()) == 2 * 268_810 + 10


def test_the_videos_logits_are_weighted_scene_by_scene(head):
    assert head(X).tolist() == [[7.0, 5.0]]  # 1 + 2*3, 4 - 0.5*(-2)


def test_the_weight_learns_from_the_videos_logits(head):
    head(X).sum().backward()
    assert head.weight.grad.tolist() == [3.0, -2.0]


def test_the_weight_is_born_between_a_tenth_below_and_above_zero():
    torch.manual_seed(0)
    weight = Head({"audio": (1,), "video": (1,)}, 1000, width=1).weight
    assert weight.shape == (1000,)
    assert weight.abs().max() <= 0.1
    assert weight.min() < -0.09
    assert weight.max() > 0.09


def test_the_branches_opinions_add_up_to_the_decision(head):
    opinions = head.branch_logits(X)
    assert torch.equal(opinions["audio"] + opinions["video"], head(X))
