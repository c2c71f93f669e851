import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from avsc.training import shared_loop
from avsc.training.end_to_end import EndToEnd, Rows
from avsc.training.shared_loop import Run
from avsc.training.tuning import Tuning


class Tagger(nn.Module):
    """A network as encoders have it, whose classifier nobody asks."""

    def __init__(self):
        super().__init__()
        self.body, self.classifier = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        z = self.body(x).tanh()
        return z, self.classifier(z)


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.classify = nn.Linear(4, 2)

    def forward(self, x):
        return self.classify(x["audio"])


class Counting(Head):
    """A head with a loss of its own, which reads events."""

    def loss(self, x, targets, criterion):
        return criterion(self(x), targets) + x["events"].sum()


def network(head=Head):
    torch.manual_seed(3)
    return EndToEnd({"audio": Tagger()}, head())


def rows(n, *, values=None, labels=None):
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(n)) if values is None else values
    return Rows(
        clip=np.arange(n) // 2,
        targets=(x[:, 0] > 0).long(),
        labels=labels or {},
        read=lambda numbers: ({"audio": x[i]} for i in numbers),
    )


def trained(net=None, *, train=None, saved=None, save=lambda *_: None, **options):
    net = net or network()
    here = shared_loop.accelerator(cpu=True, precision="float32")
    o = Tuning(**{"epochs": 3, "batch_size": 8, "lr": 0.05, "head_lr": 0.05} | options)
    run = Run(here, net, o, 1, train or rows(24), rows(10))
    return run, *shared_loop.fit(run, saved=saved, save=save)


def test_the_rates_rise_along_a_line_and_fall_along_half_a_cosine_to_nothing():
    o = Tuning(warmup=0.5)
    assert [o.rate(step, 4) for step in range(4)] == pytest.approx([0.5, 1, 1, 0.5])
    assert Tuning(warmup=0.0).rate(0, 100) == 1
    assert Tuning(warmup=0.0).rate(99, 100) == pytest.approx((1 - math.cos(math.pi / 100)) / 2)


def test_an_epoch_has_every_row_once_and_reads_clips_that_it_mixes_only_once():
    many = rows(1000)  # of 500 clips
    order = many.order(seed=1, epoch=0)
    assert sorted(order) == list(range(1000))
    pools = [set(many.clip[order[i : i + 128]]) for i in range(0, 1000, 128)]
    assert [len(pool) for pool in pools] == [64] * 7 + [52]
    assert len(set.union(*pools)) == 500
    assert sum(abs(np.diff(many.clip[order])) == 0) < 30  # seconds of a clip lie apart
    assert not np.array_equal(order, many.order(seed=1, epoch=1))
    np.testing.assert_array_equal(order, many.order(seed=1, epoch=0))


def test_encoders_and_head_learn_and_what_nobody_asked_stays():
    before = network().state()
    run, best, history = trained(epochs=6)
    losses = [row["train_loss"] for row in history]
    assert losses[-1] < 0.7 * losses[0]
    moved = {name for name in best if not torch.equal(best[name], before[name])}
    assert moved == {
        f"{name}.{kind}" for name in ("audio/body", "head/classify") for kind in ("weight", "bias")
    }
    assert run.optimizer.param_groups[0]["highest"] == 0.05


def test_the_best_epoch_is_kept_and_patience_ends_the_rest():
    run, best, history = trained(epochs=30, lr=3.0, head_lr=3.0, patience=2)
    losses = [row["val_loss"] for row in history]
    assert len(losses) < 30
    assert losses.index(min(losses)) == len(losses) - 3
    assert shared_loop.chosen(history) == history[-3]
    run.net.load(best)
    assert run.evaluate()["val_loss"] == pytest.approx(min(losses))
    assert run.evaluate()["val_accuracy"] == history[-3]["val_accuracy"]


def test_a_head_computes_in_float32_where_encoders_compute_in_bfloat16():
    net, x = network(), {"audio": torch.randn(6, 3), "events": torch.rand(6, 2)}
    with torch.autocast("cpu", torch.bfloat16):
        z, found = net.encoders["audio"](x["audio"])[0], net(x)
    assert z.dtype == torch.bfloat16
    assert torch.equal(found, net.head({"audio": z.float()}))
    assert not torch.equal(found, net(x))


@pytest.mark.parametrize("rows_at_once", [1, 3, 8])
def test_how_many_rows_pass_at_once_changes_nothing_but_the_last_bits(rows_at_once):
    _, whole, history = trained(rows_at_once=100)
    _, parts, again = trained(rows_at_once=rows_at_once)
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=1e-5, rtol=1e-4)
    assert again[-1]["train_loss"] == pytest.approx(history[-1]["train_loss"], abs=1e-5)


def test_a_step_is_adamw_on_the_mean_loss_of_a_batch_at_the_rates_of_encoder_and_head():
    six = rows(6)
    rates = {"lr": 0.01, "head_lr": 0.1, "warmup": 0.0}
    run, _, _ = trained(train=six, epochs=2, batch_size=6, weight_decay=0.1, clip_norm=0.2, **rates)
    net = network()
    x = torch.stack([row["audio"] for row in six.read(iter(range(6)))])
    encoder, head = ({"params": p.parameters()} for p in (net.encoders, net.head))
    optimizer = torch.optim.AdamW([encoder | {"lr": 0.01}, head | {"lr": 0.1}], weight_decay=0.1)
    for part in (1, 0.5):  # of the highest rates
        for group, highest in zip(optimizer.param_groups, (0.01, 0.1), strict=True):
            group["lr"] = part * highest
        optimizer.zero_grad()
        nn.functional.cross_entropy(net({"audio": x}), six.targets).backward()
        length = nn.utils.clip_grad_norm_(net.parameters(), 0.2)
        assert length > 0.2
        optimizer.step()
    for name, value in net.state().items():
        torch.testing.assert_close(run.net.state()[name], value)


def test_a_frozen_encoder_stays_while_the_head_learns():
    before = network().state()
    net = EndToEnd({"audio": network().encoders["audio"], "video": Tagger()}, Head())
    _, best, _ = trained(net, freeze=["audio"])
    for name, value in before.items():
        assert torch.equal(best[name], value) == name.startswith("audio/")


def test_a_head_with_a_loss_of_its_own_gets_the_labels_of_its_rows():
    labels = {"events": torch.arange(24.0)[:, None]}
    _, _, plain = trained(epochs=1)
    _, _, more = trained(network(Counting), train=rows(24, labels=labels), epochs=1)
    added = more[0]["train_loss"] - plain[0]["train_loss"]
    assert added == pytest.approx(sum(range(24)) / 3)  # over the three batches


def test_a_run_goes_on_after_the_epoch_that_it_was_killed_in_as_if_it_had_not_been():
    kept = []
    _, best, history = trained(epochs=4, save=lambda *state: kept.append((state[0], [*state[1]])))
    assert [len(rows) for _, rows in kept] == [1, 2, 3, 4]
    seen = []
    _, again, whole = trained(epochs=4, saved=kept[1], save=lambda *s: seen.append(len(s[1])))
    assert seen == [3, 4]
    assert whole == history
    for name, value in best.items():
        assert torch.equal(again[name], value)


def test_a_row_of_another_shape_is_refused():
    train = rows(8)
    shapes = iter([3, 4] * 8)
    object.__setattr__(
        train, "read", lambda numbers: ({"audio": torch.zeros(next(shapes))} for _ in numbers)
    )
    with pytest.raises(ValueError, match=r"rows of audio have shapes \[\(3,\), \(4,\)\].*one leng"):
        trained(train=train)


@pytest.mark.parametrize("fold", ["train_loss", "val_loss"])
def test_a_loss_that_is_not_finite_ends_training(fold):
    train = rows(24, values=torch.full((24, 3), math.nan)) if fold == "train_loss" else rows(24)
    net = network()
    if fold == "val_loss":
        forward = net.forward
        net.forward = lambda x, *more: forward(x, *more) * (1 if more else math.nan)
    with pytest.raises(ValueError, match=rf"{fold} is nan in epoch 0; lower fit.lr \(0.05\)"):
        trained(net, train=train)


def test_processes_that_cannot_share_a_batch_are_refused(monkeypatch):
    monkeypatch.setattr(Accelerator, "num_processes", 3)
    with pytest.raises(ValueError, match="3 processes cannot share batches of 8 rows evenly; set"):
        trained(batch_size=8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "fit.epochs is 0, expected at least 1"),
        ({"rows_at_once": 0}, "fit.rows_at_once is 0, expected at least 1"),
        ({"warmup": 1.5}, "fit.warmup is 1.5, expected a part of the steps"),
        ({"precision": "fp16"}, "fit.precision is 'fp16', expected one of float32, bfloat16"),
        (
            {"freeze": ["smell"]},
            r"fit.freeze has \['smell'\], expected some of \['audio', 'video'\]",
        ),
        ({"freeze": ["audio", "video"]}, "no encoder is left to train; `train` fits a head"),
    ],
)
def test_what_cannot_be_trained_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Tuning(**options).check(["audio", "video"])


def test_an_option_that_does_not_exist_is_refused():
    with pytest.raises(TypeError, match="momentum"):
        Tuning(momentum=0.9)


@pytest.mark.slow
def test_without_accelerate_it_says_what_to_install():
    code = "import sys; sys.modules['accelerate'] = None; import avsc.training.shared_loop"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "accelerate is not installed, fine-tuning needs it" in done.stderr
    assert "pip install 'avsc[finetune]'" in done.stderr
