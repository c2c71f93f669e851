"""The training loop: arrays resident on the device, batches by index, the best epoch kept."""

import copy
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import parent_process
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from avsc.training import doubts, optimisers
from avsc.training.dropout import replaced
from avsc.training.folds import Fold, check
from avsc.training.options import Options
from avsc.training.strategies import schedules
from avsc.training.strategies.alignment import InfoNCE
from avsc.training.strategies.augmentation import mixup, modality_dropout
from avsc.training.strategies.balance import modulate, ogm_coefficients, unimodal_loss
from avsc.training.system import Batch, System
from avsc.training.validation import calibrate, check_finite, evaluate

log = logging.getLogger(__name__)


def fit(
    system: System,
    train: Fold,
    val: Fold,
    *,
    num_classes: int,
    seed: int,
    options: Mapping[str, Any],
    device: str = "cpu",
) -> list[dict[str, Any]]:
    """Fit `system` in place and return its history, a row an epoch.

    Every choice is made on `val`: the weights of the epoch with the lowest loss are kept, and the
    temperature is fitted there.

    Raises:
        TypeError: if `options` has a key that Options lacks.
        ValueError: if the folds cannot be trained on, the head cannot do what `options` ask for, or
            the loss is not finite.
    """
    o = Options(**options)
    o.check(system.head)
    check(train, val, num_classes)
    system.to(device)
    train, val = train.to(device), val.to(device)
    system.measure(train.x)
    train, val = (
        Fold(system.prepare(f.x), f.targets, system.prepare(f.views)) for f in (train, val)
    )
    torch.manual_seed(seed)  # of dropout
    run = Run(system.head, o, num_classes, torch.Generator().manual_seed(seed))
    start = doubts.drawn(run.head)
    if hasattr(run.head, "solve"):
        run.head.solve(train.x, train.targets)
        history: list[dict[str, Any]] = [{"phase": "solve", "epoch": 0, **evaluate(run.head, val)}]
    else:
        history = [row for phase in run.phases() for row in run.fit_phase(*phase, train, val)]
    name = type(system.head).__module__.rpartition(".")[2]
    for warning in doubts.warnings(system.head.eval(), val, start=start, o=o):
        log.warning("%s: %s", name, warning)
    if o.temperature:
        calibrate(system, val)
    return history


def epochs(count: int, name: str) -> tqdm:
    """Return the epochs, with progress shown unless other processes would show theirs beside it."""
    hidden: dict[str, Any] = {"disable": True} if parent_process() else {}
    return tqdm(range(count), desc=name, unit="epoch", **hidden)


@dataclass(frozen=True)
class Run:
    """One head being trained.

    Attributes:
        head: it; its dropouts become ours.
        o: how.
        num_classes: of scenes.
        rng: of the order of rows, and of every strategy that draws.
    """

    head: Any
    o: Options
    num_classes: int
    rng: torch.Generator

    def __post_init__(self) -> None:
        replaced(self.head)

    def phases(self) -> list[tuple[str, list[nn.Module], Callable[[Batch], Tensor]]]:
        """Return name, modules and forward of each part that is trained on its own."""
        if not hasattr(self.head, "phases"):
            return [("fit", [self.head], self.head)]
        return [(p.name, p.modules, p.forward) for p in self.head.phases()]

    def fit_phase(
        self,
        name: str,
        modules: list[nn.Module],
        forward: Callable[[Batch], Tensor],
        train: Fold,
        val: Fold,
    ) -> Iterator[dict[str, Any]]:
        """Train `modules`, yield a row an epoch, and leave the weights of the best epoch."""
        align = self._align(train)
        parameters: list[Tensor] = [
            p for m in [*modules, *filter(None, [align])] for p in m.parameters()
        ]
        trained = set(parameters)
        for p in self.head.parameters():
            p.requires_grad_(p in trained)  # no gradient is worked out for what rests
        optimizer = optimisers.create(self.o, parameters)
        advance = schedules.create(optimizer=optimizer, **self.o.schedule)
        best, best_loss, since = copy.deepcopy(self.head.state_dict()), math.inf, 0
        bar = epochs(self.o.epochs, name)
        for epoch in bar:
            self.head.eval()
            for m in modules:
                m.train()
            losses = [
                self._step(forward, batch, optimizer, align, epoch)
                for batch in self._batches(train)
            ]
            loss = torch.stack(losses).mean().item()
            if not math.isfinite(loss):
                raise ValueError(
                    f"{name}: training loss is {loss} in epoch {epoch}; lower fit.lr ({self.o.lr})"
                )
            self.head.eval()
            row = {"epoch": epoch, "lr": optimizer.param_groups[0]["lr"], "train_loss": loss}
            row |= evaluate(forward, val)
            check_finite(row["val_loss"], name, epoch, self.o)
            advance(row["val_loss"])
            bar.set_postfix({k: f"{row[k]:.3f}" for k in ("val_loss", "val_accuracy")})
            since += 1
            if row["val_loss"] < best_loss:
                best, best_loss, since = copy.deepcopy(self.head.state_dict()), row["val_loss"], 0
            yield {"phase": name, **row}
            if since and since == self.o.patience:
                break
        self.head.load_state_dict(best)
        self.head.requires_grad_()

    def _align(self, train: Fold) -> InfoNCE | None:
        if not self.o.infonce:
            return None
        with torch.inference_mode():
            z = self.head.eval().branch_embeddings({m: r[:2] for m, r in train.x.items()})
        widths = (z["audio"].shape[1], z["video"].shape[1])
        aligned = InfoNCE(dims=None if widths[0] == widths[1] else widths)
        return aligned.to(train.targets.device)

    def _batches(self, fold: Fold) -> Iterator[Fold]:
        """Yield shuffled batches; a last row alone is left out: batch normalisation needs two."""
        device = fold.targets.device
        shuffled = torch.randperm(len(fold.targets), generator=self.rng).to(device)
        for rows in shuffled.split(self.o.batch_size):
            if len(rows) < 2:
                return
            x = {m: r.index_select(0, rows) for m, r in fold.x.items()}
            for m, views in fold.views.items():
                drawn = torch.randint(views.shape[1], (len(rows),), generator=self.rng)
                x[m] = views[rows, drawn.to(device, non_blocking=True)]
            yield Fold(x, fold.targets.index_select(0, rows))

    def _step(
        self,
        forward: Callable[[Batch], Tensor],
        batch: Fold,
        optimizer: torch.optim.Optimizer,
        align: InfoNCE | None,
        epoch: int,
    ) -> Tensor:
        o, head, x = self.o, self.head, dict(batch.x)
        y: Tensor = batch.targets
        if o.mixup:
            y = nn.functional.one_hot(y, self.num_classes).float()
            x, y = mixup(x, y, alpha=float(o.mixup), generator=self.rng)
        if o.modality_dropout:  # last: mixing would fill what is dropped
            p, q = float(o.modality_dropout), float(o.drop_audio)
            x = modality_dropout(x, p=p, q=q, generator=self.rng)
        criterion = nn.CrossEntropyLoss(label_smoothing=o.label_smoothing)
        loss = head.loss(x, y, criterion) if hasattr(head, "loss") else criterion(forward(x), y)
        opinions = head.branch_logits(x) if o.unimodal or o.ogm else {}
        if o.unimodal:
            loss = loss + o.unimodal * unimodal_loss(opinions, y, criterion)
        if align is not None:
            z = head.branch_embeddings(x)
            loss = loss + o.infonce * align(z["audio"], z["video"])
        optimizer.zero_grad()
        loss.backward()
        if o.ogm and (not o.ogm_epochs or epoch < o.ogm_epochs):
            coefficients = ogm_coefficients(opinions, y, alpha=float(o.ogm))
            modulate(head.branches(), coefficients, noise=o.ogm_noise, generator=self.rng)
        optimizer.step()
        return loss.detach()
