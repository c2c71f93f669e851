from math import tanh

import pytest
import torch

from avsc.heads.bilinear import Head


def test_logits_are_the_projected_product_of_two_projections():
    head = Head({"audio": (2,), "video": (1,)}, 2, rank=2).eval()
    with torch.no_grad():
        head.project["audio"].weight.copy_(torch.tensor([[1.0, -1.0], [0.0, 2.0]]))
        head.project["video"].weight.copy_(torch.tensor([[2.0], [-1.0]]))
        head.classify.weight.copy_(torch.tensor([[1.0, 0.0], [1.0, 3.0]]))
        head.classify.bias.copy_(torch.tensor([0.5, 0.0]))
    one, two = tanh(0.8 - 0.3) * tanh(-0.2), tanh(0.6) * tanh(0.1)
    logits = head({"audio": torch.tensor([[0.8, 0.3]]), "video": torch.tensor([[-0.1]])})
    assert logits[0].tolist() == pytest.approx([one + 0.5, one + 3 * two], rel=1e-6)


def test_it_has_the_parameters_of_the_formula():
    head = Head({"audio": (768,), "video": (1024,)}, 10, rank=1200)
    # U and V: 1200 * (768 + 1024); P and b: 1200 * 10 + 10
    assert sum(p.numel() for p in head.parameters()) == 1200 * 1792 + 12_010
