import pytest
import torch
from torch import nn

from avsc import heads
from avsc.heads.late import Head

DIMS = {"audio": (512,), "video": (512,)}
X = {"audio": torch.zeros(1, 512), "video": torch.zeros(1, 512)}


class Says(nn.Module):
    def __init__(self, *logits):
        super().__init__()
        self.logits = torch.tensor([logits])

    def forward(self, _):
        return self.logits


def opinionated(rule):
    head = Head(DIMS, 2, rule=rule)
    head.branch = nn.ModuleDict({"audio": Says(1.0, 4.0), "video": Says(3.0, -2.0)})
    return head


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_it_has_the_parameters_of_the_course_report():
    # of a branch: 512 -> 512: 262656, BatchNorm 1024; -> 10: 5130
    assert count(Head(DIMS, 10, rule="average")) == 2 * 268_810
    assert count(Head(DIMS, 10)) == 2 * 268_810 + (20 * 10 + 10)


def test_average_is_the_mean_of_the_logits():
    assert opinionated("average")(X).tolist() == [[2.0, 1.0]]


def test_linear_is_one_layer_over_the_logits_side_by_side():
    head = opinionated("linear")
    with torch.no_grad():
        head.join.weight.copy_(torch.tensor([[1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, -1.0]]))
        head.join.bias.copy_(torch.tensor([0.5, 0.0]))
    assert head(X).tolist() == [[7.5, 6.0]]  # 1 + 2*3 + 0.5, 4 - (-2)


def test_by_a_linear_layer_a_modality_says_what_it_adds_to_the_sum():
    head = opinionated("linear")
    with torch.no_grad():
        head.join.weight.copy_(torch.tensor([[1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, -1.0]]))
        head.join.bias.copy_(torch.tensor([0.5, 0.0]))
    said = {m: logits.tolist() for m, logits in head.branch_logits(X).items()}
    assert said == {"audio": [[1.25, 4.0]], "video": [[6.25, 2.0]]}  # 1 + 0.25, 2*3 + 0.25
    assert sum(head.branch_logits(X).values()).tolist() == head(X).tolist()


def test_branches_feed_their_classifiers_512_units():
    head = Head(DIMS, 10, rule="average").eval()
    hidden, logits = head.branch_embeddings(X), head.branch_logits(X)
    for m in DIMS:
        assert hidden[m].shape == (1, 512)
        assert torch.equal(head.branch[m].classify(hidden[m]), logits[m])


def test_a_rule_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"rule is 'median', expected one of average, linear"):
        Head(DIMS, 10, rule="median")


@pytest.mark.parametrize("name", ["late", "weighted", "gated", "bilinear"])
def test_fusion_of_one_modality_is_refused(name):
    with pytest.raises(ValueError, match=rf"{name} fuses audio and video, found \['audio'\]"):
        heads.create(name, dims={"audio": (5,)}, num_classes=3)
