"""A training that ended near its start, or too sure, is warned of; the remedy ends the warning."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from avsc.heads import lightgbm, weighted
from avsc.training import doubts
from avsc.training.folds import Fold
from avsc.training.loop import fit
from avsc.training.options import Options
from avsc.training.system import System

DIMS = {"audio": (4,), "video": (4,)}


def fold(seed, *, rows=60, noise=1.0):
    """Return rows of three scenes, which each modality shows under noise."""
    rng = torch.Generator().manual_seed(seed)
    targets = torch.arange(rows) % 3
    points = torch.eye(4)[targets]
    x = {m: points + noise * torch.randn(rows, 4, generator=rng) for m in DIMS}
    return Fold(x, targets)


def warned(caplog, head, noise=1.0, **options):
    caplog.clear()
    torch.manual_seed(0)
    system = System(head(), DIMS, standardise=True)
    folds = fold(1, noise=noise), fold(2, noise=noise)
    fit(system, *folds, num_classes=3, seed=0, options=options)
    return caplog.messages


def test_weights_that_stay_where_they_were_drawn_are_warned_of_until_the_rate_is_raised(caplog):
    def head():
        return weighted.Head(DIMS, 3, width=8, dropout=0.0)

    # 3 epochs of 2 steps: Adam moves a weight by no more than about 6 times the rate
    few = {"epochs": 3, "batch_size": 30}
    (warning,) = warned(caplog, head, lr=1e-4, **few)
    assert warning.startswith(
        "weighted: weight was drawn from -0.1 to 0.1 and moved by at most 0.0"
    )
    assert "raise fit.lr (0.0001) or fit.epochs (3)" in warning
    assert not warned(caplog, head, noise=0.3, lr=0.1, epochs=20, batch_size=30)


def test_trees_that_are_too_sure_are_warned_of_until_they_have_a_temperature(caplog):
    def head():
        return lightgbm.Head(DIMS, 3, num_leaves=4, n_estimators=200)

    (warning,) = warned(caplog, head)
    numbers = re.findall(r"\d+\.\d+", warning)
    loss, tempered, temperature = map(float, numbers)
    assert warning.endswith("set fit.temperature: true")
    assert loss > tempered + 0.1
    assert temperature > 1.5
    assert not warned(caplog, head, temperature=True)


@pytest.mark.parametrize("temperature", [1.0, 5.0])
def test_a_head_whose_loss_a_temperature_hardly_lowers_is_not_warned_of(temperature):
    class Fixed(nn.Module):
        def forward(self, x):
            return x["audio"] * temperature

    # of 100 rows nine of ten are right where the odds are 18 to 1 and 1: softmax(ln 18, 0, 0)
    logits = torch.zeros(100, 3)
    logits[:, 0] = np.log(18)
    targets = torch.zeros(100, dtype=torch.long)
    targets[:10] = torch.arange(10) % 2 + 1
    found = list(doubts.overconfident(Fixed(), Fold({"audio": logits}, targets), Options()))
    assert len(found) == (temperature > 1)
