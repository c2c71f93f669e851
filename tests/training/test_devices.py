"""On a GPU heads and strategies train as on a CPU: what is drawn, is drawn on the CPU."""

import inspect
from importlib import import_module

import numpy as np
import pytest
import torch

from avsc.heads.early import Head
from avsc.training.folds import Fold
from avsc.training.loop import fit
from avsc.training.system import System, predict
from tests.heads.test_contract import CLASSES, HEADS, TARGETS, dims, make, toy

OPTIONS = {"epochs": 5, "batch_size": 16, "lr": 0.01}
PLAIN = {"epochs": 3, "batch_size": 16, "lr": 0.01, "optimizer": "sgd"}
STRATEGIES = {
    "label_smoothing": 0.1,
    "mixup": 0.4,
    "modality_dropout": 0.5,
    "unimodal": 0.5,
    "infonce": 0.1,
    "ogm": 0.5,
    "temperature": True,
}

on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")


def fold(seed):
    rng = torch.Generator().manual_seed(seed)
    targets = torch.arange(48) % 3
    audio = torch.randn(48, 4, generator=rng)
    audio[torch.arange(48), targets] += 2
    return Fold({"audio": audio, "video": torch.randn(48, 2, generator=rng)}, targets)


def trained(device):
    torch.manual_seed(0)
    shapes = {"audio": (4,), "video": (2,)}
    system = System(Head(shapes, 3, widths=[8], dropout=0.0), shapes, standardise=True)
    history = fit(system, fold(1), fold(2), num_classes=3, seed=7, options=OPTIONS, device=device)
    x = {m: rows.to(device) for m, rows in fold(3).x.items()}
    return [row["val_loss"] for row in history], predict(system, x)


def of_head(name, device, **options):
    """Return losses and probabilities of a head without dropout, which a GPU draws by itself."""
    takes = inspect.signature(import_module(f"avsc.heads.{name}").Head).parameters
    head = make(name, **({"dropout": 0.0} if "dropout" in takes else {}))
    system = System(head, dims(name), standardise=False)
    rows = {s: toy(dims(name), seed=s) for s in (1, 2, 3)}
    varied = {m: torch.stack([r, -r], dim=1) for m, r in rows[1].items() if m == "video"}
    history = fit(
        system,
        Fold(rows[1], TARGETS, varied),
        Fold(rows[2], TARGETS),
        num_classes=CLASSES,
        seed=7,
        options=PLAIN | options,
        device=device,
    )
    return [row["val_loss"] for row in history], predict(system, rows[3])


@pytest.mark.gpu
@on_a_gpu
def test_training_on_a_gpu_is_training_on_a_cpu():
    for found, expected in zip(trained("cuda"), trained("cpu"), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.gpu
@on_a_gpu
@pytest.mark.parametrize("name", HEADS)
def test_every_head_trains_on_a_gpu_as_on_a_cpu(name):
    for found, expected in zip(of_head(name, "cuda"), of_head(name, "cpu"), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-2)


@pytest.mark.gpu
@on_a_gpu
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_trains_on_a_gpu_as_on_a_cpu(strategy):
    asked = {strategy: STRATEGIES[strategy]}
    pairs = zip(of_head("late", "cuda", **asked), of_head("late", "cpu", **asked), strict=True)
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, atol=1e-2)
