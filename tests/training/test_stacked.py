import math
from importlib import import_module

import numpy as np
import pytest
import torch
from torch import nn

import avsc.heads
from avsc.training import loop, stacked
from avsc.training.folds import Fold
from avsc.training.system import System, predict
from tests.elsewhere import a_second_device

SHAPES = {"audio": (4,), "video": (3,)}
SEEDS = [1, 2, 5]
OPTIONS = {"epochs": 6, "batch_size": 16, "lr": 0.02}
HEADS = {
    "early": {"widths": [8, 6], "dropout": 0.3},
    "weighted": {"width": 8},
    "gated": {"width": 8, "dropout": 0.5},
}


def fold(seed, n):
    rng = torch.Generator().manual_seed(seed)
    targets = torch.arange(n) % 3
    audio, video = (torch.randn(n, d, generator=rng) for (d,) in SHAPES.values())
    audio[torch.arange(n), targets] += 1
    return Fold({"audio": audio, "video": video}, targets)


TRAIN, VAL, TEST = fold(1, 54), fold(2, 30), fold(3, 30)  # a last batch of 6 rows


def system(seed, head="early", **hparams):
    torch.manual_seed(seed)
    made = avsc.heads.create(head, dims=SHAPES, num_classes=3, **(HEADS[head] | hparams))
    return System(made, SHAPES, standardise=True)


def alone(head, **options):
    systems = [system(seed, head) for seed in SEEDS]
    more = {"num_classes": 3, "options": OPTIONS | options}
    pairs = zip(systems, SEEDS, strict=True)
    return systems, [loop.fit(s, TRAIN, VAL, seed=seed, **more) for s, seed in pairs]


def together(head, **options):
    systems = [system(seed, head) for seed in SEEDS]
    more = {"num_classes": 3, "options": OPTIONS | options}
    return systems, stacked.fit(systems, TRAIN, VAL, seeds=SEEDS, **more)


# A bias before a batch norm has a gradient of rounding alone, which Adam takes for a direction.
def assert_close(found, expected):
    for (one, rows), (other, others) in zip(
        zip(*found, strict=True), zip(*expected, strict=True), strict=True
    ):
        assert [row["phase"] for row in rows] == [row["phase"] for row in others]
        for column in ("epoch", "lr", "train_loss", "val_loss", "val_accuracy"):
            values = ([row[column] for row in table] for table in (rows, others))
            np.testing.assert_allclose(*values, rtol=1e-3, err_msg=column)
        np.testing.assert_allclose(predict(one, TEST.x), predict(other, TEST.x), atol=1e-3)


@pytest.mark.parametrize("head", HEADS)
def test_each_member_is_what_it_is_alone(head):
    assert_close(together(head), alone(head))


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.3, "epochs": 30, "patience": 2},
        {"label_smoothing": 0.2, "temperature": True},
        {"optimizer": "sgd", "momentum": 0.9, "schedule": {"name": "cosine_restarts", "period": 4}},
    ],
    ids=["patience", "smoothing", "cosine"],
)
def test_options_hold_for_each_member(options):
    found, expected = together("early", **options), alone("early", **options)
    assert_close(found, expected)
    for one, other in zip(found[0], expected[0], strict=True):
        assert one.temperature.item() == pytest.approx(other.temperature.item(), rel=1e-3)


def test_members_stop_each_at_its_own_epoch():
    _, histories = together("early", lr=0.3, epochs=30, patience=2)
    assert len({len(rows) for rows in histories}) > 1


def test_the_same_seeds_give_the_same_bits():
    (one, histories), (two, again) = together("early"), together("early")
    assert histories == again
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(predict(a, TEST.x), predict(b, TEST.x))


@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("ceoa_sf", {}),
        ("joint", {}),
        ("intermediate", {}),
        ("logistic", {}),
        ("early", {"mixup": 0.4}),
        ("early", {"modality_dropout": 0.2}),
        ("weighted", {"ogm": 0.1}),
        ("early", {"schedule": {"name": "plateau"}}),
    ],
)
def test_what_draws_or_is_trained_in_its_own_way_does_not_fit(head, options):
    tiny = getattr(import_module(f"avsc.heads.{head}"), "TINY", {})
    dims, hparams = tiny.get("dims", SHAPES), tiny.get("hparams", {})
    assert not stacked.fits(avsc.heads.create(head, dims=dims, num_classes=3, **hparams), options)


def test_a_layer_that_is_not_known_does_not_fit():
    assert stacked.fits(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1)), {})
    assert not stacked.fits(nn.Sequential(nn.Linear(2, 2), nn.RReLU()), {})


def test_a_loss_that_is_not_finite_stops_the_run():
    with pytest.raises(ValueError, match=r"training loss is (nan|inf) in epoch .*; lower fit\.lr"):
        together("early", optimizer="sgd", lr=1e30)


def on(device, *, dropout=0.0, **options):
    """Fit members, without dropout unless asked: another device draws it by itself."""
    systems = [system(seed, dropout=dropout) for seed in SEEDS]
    more = {"num_classes": 3, "options": OPTIONS | options, "seeds": SEEDS}
    return systems, stacked.fit(systems, TRAIN, VAL, device=device, **more)


def test_members_learn_on_a_second_device_what_they_learn_here():
    options = {"epochs": 2, "label_smoothing": 0.2, "temperature": True}
    with a_second_device() as device:
        assert_close(on(device, **options), on("cpu", **options))
        _, dropping = on(device, dropout=0.5)
    assert all(math.isfinite(row["train_loss"]) for rows in dropping for row in rows)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_members_on_a_gpu_learn_as_on_the_cpu():
    (_, histories), (_, expected) = on("cuda"), on("cpu")
    for rows, known in zip(histories, expected, strict=True):
        losses = ([row["val_loss"] for row in table] for table in (rows, known))
        np.testing.assert_allclose(*losses, rtol=1e-2)
