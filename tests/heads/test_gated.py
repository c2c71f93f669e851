from math import exp, tanh

import pytest
import torch
from torch import nn

from avsc.heads.gated import Head


@pytest.fixture
def head():
    """Return a gate of one unit whose classifier hands h on."""
    head = Head({"audio": (2,), "video": (1,)}, 1, width=1).eval()
    with torch.no_grad():
        head.project["audio"].weight.copy_(torch.tensor([[1.0, -1.0]]))
        head.project["video"].weight.copy_(torch.tensor([[2.0]]))
        head.gate.weight.copy_(torch.tensor([[0.5, 0.0, 1.0]]))
        head.classify.weight.fill_(1)
        head.classify.bias.zero_()
    return head


X = {"audio": torch.tensor([[0.8, 0.3]]), "video": torch.tensor([[-0.1]])}


def test_the_gate_mixes_what_each_modality_says(head):
    z = 1 / (1 + exp(-(0.5 * 0.8 - 0.1)))
    by_hand = z * tanh(0.8 - 0.3) + (1 - z) * tanh(2 * -0.1)
    assert head(X).item() == pytest.approx(by_hand, rel=1e-6)


def test_without_one_modality_the_gate_weighs_the_other_alone(head):
    nothing = {m: torch.zeros_like(rows) for m, rows in X.items()}
    of_audio, of_video = 1 / (1 + exp(-0.5 * 0.8)), 1 / (1 + exp(0.1))
    heard, seen = (head(nothing | {m: X[m]}).item() for m in ("audio", "video"))
    assert heard == pytest.approx(of_audio * tanh(0.5), rel=1e-6)
    assert seen == pytest.approx((1 - of_video) * tanh(-0.2), rel=1e-6)


def test_an_open_and_a_closed_gate_give_one_modality(head):
    for weight, said in ((1000.0, tanh(0.5)), (-1000.0, tanh(-0.2))):
        nn.init.constant_(head.gate.weight, weight)
        assert head(X).item() == pytest.approx(said, rel=1e-6)


def test_it_has_the_parameters_of_the_formula():
    head = Head({"audio": (768,), "video": (1024,)}, 10)
    # W_m and W_z: twice 512 * (768 + 1024); classifier 512 * 10 + 10
    assert sum(p.numel() for p in head.parameters()) == 2 * 512 * 1792 + 5130
