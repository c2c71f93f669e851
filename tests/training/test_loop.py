import math

import numpy as np
import pytest
import torch
from torch import nn

from avsc.heads import Phase, late, logistic
from avsc.heads.early import Head
from avsc.training import validation
from avsc.training.folds import Fold
from avsc.training.loop import Run, fit
from avsc.training.optimisers import OPTIMIZERS
from avsc.training.options import Options
from avsc.training.strategies.calibration import fit_temperature
from avsc.training.system import System, predict

OPTIONS = {"epochs": 20, "batch_size": 8, "lr": 0.01}


def fold(seed, n=48, scenes=3):
    """Rows in which the scene shows."""
    rng = torch.Generator().manual_seed(seed)
    targets = torch.arange(n) % scenes
    audio = torch.randn(n, 4, generator=rng) * 0.3
    audio[torch.arange(n), targets] += 2
    return Fold({"audio": audio, "video": torch.randn(n, 2, generator=rng)}, targets)


def system(seed=0):
    torch.manual_seed(seed)
    shapes = {"audio": (4,), "video": (2,)}
    return System(Head(shapes, 3, widths=[8]), shapes, standardise=True)


def run(s, train=None, val=None, **options):
    train, val = train or fold(1), val or fold(2)
    return fit(s, train, val, num_classes=3, seed=7, options=OPTIONS | options)


def test_it_learns_scenes_that_show():
    s = system()
    run(s)
    probs = predict(s, fold(3).x)
    assert (probs.argmax(1) == fold(3).targets.numpy()).mean() > 0.9
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-12)


def test_inputs_are_standardised_by_the_training_fold_alone():
    s, val = system(), fold(2)
    run(s, val=Fold({m: rows + 9 for m, rows in val.x.items()}, val.targets), epochs=1)
    for m, rows in fold(1).x.items():
        torch.testing.assert_close(s.get_buffer(f"mean_{m}"), rows.mean(0))
        torch.testing.assert_close(s.get_buffer(f"scale_{m}"), rows.std(0, correction=0))


def test_one_seed_gives_the_same_bits():
    first, second = system(), system()
    assert run(first) == run(second)
    np.testing.assert_array_equal(predict(first, fold(3).x), predict(second, fold(3).x))


def test_another_seed_gives_another_system():
    first, second = system(), system()
    run(first)
    fit(second, fold(1), fold(2), num_classes=3, seed=8, options=OPTIONS)
    assert not np.array_equal(predict(first, fold(3).x), predict(second, fold(3).x))


def test_the_epoch_with_the_lowest_validation_loss_is_kept():
    s = system()
    history = run(s, lr=0.3)  # so high that the last epoch is not the best
    best = min(history, key=lambda row: row["val_loss"])
    assert best is not history[-1]
    probs = predict(s, fold(2).x)
    loss = -np.log(probs[np.arange(48), fold(2).targets]).mean()
    assert loss == pytest.approx(best["val_loss"], rel=1e-6)


def test_it_stops_after_so_many_epochs_without_a_better_one():
    history = run(system(), epochs=500, lr=0.3, patience=3)
    losses = [row["val_loss"] for row in history]
    assert len(losses) < 500
    assert losses.index(min(losses)) == len(losses) - 4


def test_label_smoothing_is_part_of_the_training_loss_only():
    plain, smooth = (run(system(), epochs=1, lr=1e-12, label_smoothing=s)[0] for s in (0.0, 0.5))
    assert plain["val_loss"] == smooth["val_loss"]
    assert plain["train_loss"] != smooth["train_loss"]


class TwoSteps(nn.Module):
    """A head of two parts that are trained one after the other."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
        self.second = nn.Linear(3, 3)

    def forward(self, x):
        return self.second(self.first(x["audio"]))

    def phases(self):
        return [
            Phase("first", [self.first], lambda x: self.first(x["audio"])),
            Phase("second", [self.second], self),
        ]


def test_what_an_earlier_phase_trained_stays_as_it_was():
    torch.manual_seed(0)
    s = System(TwoSteps(), {"audio": (4,)}, standardise=False)
    train, val = (Fold({"audio": f.x["audio"]}, f.targets) for f in (fold(1), fold(2)))
    with_one = System(TwoSteps(), {"audio": (4,)}, standardise=False)
    with_one.load_state_dict(s.state_dict())
    with_one.head.phases = lambda: TwoSteps.phases(with_one.head)[:1]
    history = run(s, train, val)
    run(with_one, train, val)
    assert [row["phase"] for row in history] == ["first"] * 20 + ["second"] * 20
    for name, value in s.head.first.state_dict().items():
        assert torch.equal(value, with_one.head.first.state_dict()[name]), name
    assert not torch.equal(s.head.second.weight, with_one.head.second.weight)


def batches(f, **options):
    return list(
        Run(nn.Identity(), Options(**options), 3, torch.Generator().manual_seed(0))._batches(f)
    )


def test_no_gradient_is_worked_out_for_what_rests_in_a_phase():
    torch.manual_seed(0)
    head = TwoSteps()
    training = Run(head, Options(**OPTIONS | {"epochs": 1}), 3, torch.Generator())
    name, modules, forward = training.phases()[1]
    list(training.fit_phase(name, modules, forward, fold(1), fold(2)))
    resting = {*head.parameters()} - {p for m in modules for p in m.parameters()}
    assert resting
    assert all(p.grad is None for p in resting)
    assert all(p.requires_grad for p in head.parameters())


def test_validation_takes_some_rows_at_a_time_and_counts_all(monkeypatch):
    s, val, seen = system(), fold(2), []
    run(s, epochs=1)
    rows = {m: r[:25] for m, r in val.x.items()}
    part = Fold(rows, val.targets[:25])
    whole = validation.evaluate(s.head, part)
    monkeypatch.setattr(validation, "AT_ONCE", 10)
    s.head.register_forward_hook(lambda *a: seen.append(len(a[2])))
    assert validation.evaluate(s.head, part) == pytest.approx(whole, abs=1e-6)
    assert seen == [10, 10, 5]


def test_a_last_batch_of_one_row_is_left_out():
    assert [len(b.targets) for b in batches(fold(1, n=9), batch_size=4)] == [4, 4]


def test_a_row_of_a_batch_is_one_of_its_own_views():
    views = torch.arange(48.0)[:, None, None] + torch.tensor([0.0, 0.25, 0.5])[None, :, None]
    f = Fold({"video": views[:, 0]}, torch.arange(48) % 3, {"video": views})
    (batch,) = batches(f, batch_size=48)
    row = batch.x["video"].floor().long().squeeze(1)
    assert sorted(row.tolist()) == list(range(48))
    assert torch.equal(batch.targets, row % 3)
    drawn = batch.x["video"].squeeze(1) - row
    assert set(drawn.tolist()) == {0.0, 0.25, 0.5}


STRATEGIES = {
    "modality_dropout": {"modality_dropout": 0.5},
    "mixup": {"mixup": 0.4},
    "label_smoothing": {"label_smoothing": 0.1},
    "cosine": {"optimizer": "sgd", "schedule": {"name": "cosine_restarts", "period": 5}},
    "unimodal": {"unimodal": 1.0},
    "infonce": {"infonce": 0.5},
    "ogm": {"ogm": 0.1},
}


def branched():
    torch.manual_seed(0)
    shapes = {"audio": (4,), "video": (2,)}
    return System(late.Head(shapes, 3), shapes, standardise=True)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_changes_training_repeatably_and_still_learns(strategy):
    plain, one, two = branched(), branched(), branched()
    run(plain)
    history = run(one, **STRATEGIES[strategy])
    assert history == run(two, **STRATEGIES[strategy])
    probs = [predict(s, fold(3).x) for s in (plain, one, two)]
    np.testing.assert_array_equal(probs[1], probs[2])
    assert not np.array_equal(probs[0], probs[1])
    assert (probs[1].argmax(1) == fold(3).targets.numpy()).mean() > 0.8


def test_mixing_leaves_dropped_modalities_zero():
    seen, s = [], branched()
    s.head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    run(s, epochs=1, modality_dropout=1.0, mixup=0.4)
    first = seen[0]
    lost = [(first[m] == 0).all(1) for m in ("audio", "video")]
    assert (lost[0] ^ lost[1]).all()


def test_modality_dropout_of_a_solved_head_is_refused():
    shapes = {"audio": (4,), "video": (2,)}
    s = System(logistic.Head(shapes, 3), shapes, standardise=True)
    with pytest.raises(ValueError, match=r"fit\.modality_dropout is 0\.2, but logistic is not tr"):
        run(s, modality_dropout=0.2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, []),
        ({"modality_dropout": 0.2}, ["audio", "video"]),
        ({"modality_dropout": 0.2, "drop_audio": 1.0}, ["audio"]),
        ({"modality_dropout": 0.2, "drop_audio": 0.0}, ["video"]),
    ],
)
def test_options_name_the_modalities_that_rows_may_lose(options, expected):
    assert Options(**options).drops == expected


def test_a_plateau_of_the_validation_loss_lowers_the_rate():
    history = run(system(), lr=0.3, epochs=30, schedule={"name": "plateau", "patience": 1})
    assert history[0]["lr"] == 0.3
    assert min(row["lr"] for row in history) < 0.031


@pytest.mark.parametrize("strategy", ["unimodal", "infonce", "ogm"])
def test_a_strategy_that_the_head_cannot_do_is_refused_before_training(strategy):
    with pytest.raises(ValueError, match=rf"fit\.{strategy} needs a head with branch_.*but early"):
        run(system(), **STRATEGIES[strategy])


def test_the_temperature_is_that_of_the_validation_fold_and_keeps_every_decision():
    targets = fold(2).targets.clone()
    targets[:6] = (targets[:6] + 1) % 3  # so that the validation fold asks for less confidence
    val = Fold(fold(2).x, targets)
    plain, scaled = system(), system()
    run(plain, val=val, epochs=100, lr=0.1)
    run(scaled, val=val, epochs=100, lr=0.1, temperature=True)
    before, after = (predict(s, val.x) for s in (plain, scaled))
    expected = fit_temperature(np.log(before), targets.numpy())
    assert expected > 1
    assert scaled.temperature.item() == pytest.approx(expected, rel=1e-3)
    np.testing.assert_array_equal(before.argmax(1), after.argmax(1))


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_every_optimizer_lowers_the_loss(optimizer):
    history = run(system(), optimizer=optimizer, epochs=5)
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_an_unknown_optimizer_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"fit\.optimizer is 'lion', expected one of"):
        run(system(), optimizer="lion")


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="momentun"):
        run(system(), momentun=0.9)


def test_a_loss_that_is_not_finite_stops_the_run():
    with pytest.raises(ValueError, match=r"training loss is (nan|inf) in epoch .*; lower fit\.lr"):
        run(system(), optimizer="sgd", lr=1e30)


def changed(f, **parts):
    return Fold({**f.x, **parts}, f.targets)


def test_a_validation_loss_that_is_not_finite_stops_the_run_and_keeps_no_untrained_head():
    far = changed(fold(2), audio=torch.full_like(fold(2).x["audio"], 3e38))
    with pytest.raises(ValueError, match=r"fit: validation loss is (nan|inf) in epoch 0, expected"):
        run(system(), fold(1), far)


@pytest.mark.parametrize(("name", "value", "least"), [("epochs", 0, 1), ("batch_size", 1, 2)])
def test_no_epoch_and_batches_of_a_single_row_are_refused(name, value, least):
    with pytest.raises(ValueError, match=f"fit.{name} is {value}, expected at least {least}"):
        run(system(), **{name: value})


def test_nan_in_a_fold_is_refused_before_training():
    audio = fold(1).x["audio"].clone()
    audio[3, 1] = math.nan
    with pytest.raises(ValueError, match="validation fold: audio holds NaN or infinity"):
        run(system(), fold(1), changed(fold(1), audio=audio))


def test_modalities_of_different_length_are_refused_before_training():
    with pytest.raises(ValueError, match="training fold: 47 rows of video, but 48 labels"):
        run(system(), changed(fold(1), video=torch.zeros(47, 2)))


def test_a_training_fold_without_a_class_is_refused():
    two = fold(1)
    with pytest.raises(ValueError, match=r"the training fold has no row of classes \[2\] of 3"):
        run(system(), Fold(two.x, two.targets.clamp(max=1)))


def test_an_empty_validation_fold_is_refused():
    empty = Fold({m: r[:0] for m, r in fold(1).x.items()}, fold(1).targets[:0])
    with pytest.raises(ValueError, match="the validation fold is empty"):
        run(system(), fold(1), empty)
