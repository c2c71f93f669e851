"""On a GPU heads and strategies train as on a CPU: what is drawn, is drawn on the CPU.

Without a GPU, they do so on a second device that is one in all but speed (tests/elsewhere.py).
"""

import inspect
from contextlib import suppress
from importlib import import_module

import numpy as np
import pytest
import torch

from avsc.heads.early import Head
from avsc.training.disturbances import without
from avsc.training.folds import Fold
from avsc.training.loop import fit
from avsc.training.options import Options
from avsc.training.system import System, predict
from tests.elsewhere import a_second_device
from tests.heads.test_contract import CLASSES, HEADS, MODALITIES, TARGETS, dims, make, toy

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
VARIANTS = [
    *((name, {}) for name in HEADS),
    *(("temporal", {"kind": kind}) for kind in ("lstm", "tcn", "transformer")),
    ("ceoa_sf", {"ceoa": "rkm"}),
    ("intermediate", {"two_step": False}),
    ("joint", {"mode": "pipeline"}),
    ("late", {"rule": "average"}),
    ("lightgbm", {"pca": 3}),
]

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


def without_dropout(name):
    """Return the argument that keeps a head from dropout, which another device draws by itself."""
    takes = inspect.signature(import_module(f"avsc.heads.{name}").Head).parameters
    return {"dropout": 0.0} if "dropout" in takes else {}


def of_head(name, device, *, hparams=None, **options):
    """Return losses and probabilities of a head, without dropout."""
    head = make(name, **without_dropout(name), **(hparams or {}))
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
    return [row["val_loss"] for row in history], *answers(system, rows[3])


def answers(system, x):
    """Return the probabilities of rows, and of rows without a modality."""
    yield predict(system, x)
    if x.keys() >= MODALITIES:
        x = {m: x[m] for m in MODALITIES}
        yield from (predict(system, without(m, x, system)) for m in sorted(MODALITIES))


def possible(head):
    """Return the strategies that a head can do."""
    found = {}
    for strategy, value in STRATEGIES.items():
        with suppress(ValueError):
            Options(**{strategy: value}).check(head)
            found[strategy] = value
    return found


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


def elsewhere(name, hparams=None, **options):
    """Hold what a head learns on the second device against what it learns here."""
    asked = {"hparams": hparams, "epochs": 1, "batch_size": 90}
    expected = of_head(name, "cpu", **(asked | options))
    with a_second_device() as device:
        found = of_head(name, device, **(asked | options))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(("name", "hparams"), VARIANTS, ids=str)
def test_every_head_trains_on_a_second_device_with_all_strategies_that_it_can(name, hparams):
    elsewhere(name, hparams, **possible(make(name, **hparams)))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_trains_on_a_second_device(strategy):
    elsewhere("late", **{strategy: STRATEGIES[strategy], "optimizer": "adamw", "batch_size": 45})
