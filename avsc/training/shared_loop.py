"""The training loop of a network whose batches one process takes, or many share."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn
from tqdm import tqdm

from avsc.training.end_to_end import EndToEnd, Rows, State, below
from avsc.training.tuning import PRECISIONS, Tuning

try:
    from accelerate import Accelerator, DistributedDataParallelKwargs
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"{error.name} is not installed, fine-tuning needs it; pip install 'avsc[finetune]'"
    ) from error

Save = Callable[[State, list[dict[str, Any]]], None]


def accelerator(*, cpu: bool, precision: str) -> Accelerator:
    """Return this process among those that train together, as its launcher's environment says."""
    some_rest = DistributedDataParallelKwargs(find_unused_parameters=True)  # such as the classifier
    mixed = PRECISIONS[precision]
    return Accelerator(cpu=cpu, mixed_precision=mixed, kwargs_handlers=[some_rest])


@dataclass
class Run:
    """One network being trained.

    Attributes:
        here: this process among the others.
        net: the network.
        o: how it is trained.
        seed: of all that is drawn.
        train: rows to learn from.
        val: rows by which the epoch is chosen.
    """

    here: Accelerator
    net: EndToEnd
    o: Tuning
    seed: int
    train: Rows
    val: Rows

    def __post_init__(self) -> None:
        for m in self.o.freeze:
            self.net.encoders[m].requires_grad_(False)  # noqa: FBT003
        self.shared = self.here.prepare(self.net)
        rates = ((self.net.encoders, self.o.lr), (self.net.head, self.o.head_lr))
        groups = [
            {"params": [p for p in part.parameters() if p.requires_grad], "highest": highest}
            for part, highest in rates
        ]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=self.o.weight_decay, fused=True)
        self.batch_size = min(self.o.batch_size, len(self.train.targets))
        if self.batch_size % self.here.num_processes:
            raise ValueError(
                f"{self.here.num_processes} processes cannot share batches of {self.batch_size} "
                "rows evenly; set fit.batch_size or AVSC_PROCESSES so that they can"
            )
        self.steps = len(self.train.targets) // self.batch_size  # an epoch

    def epoch(self, epoch: int, bar: tqdm) -> float:
        """Train for one epoch and return the mean training loss."""
        drawn = [self.seed, epoch, self.here.process_index]
        torch.manual_seed(int(np.random.SeedSequence(drawn).generate_state(1)[0]))  # of dropout
        self.shared.train()
        for m in self.o.freeze:
            self.net.encoders[m].eval()
        order = self.train.order(seed=self.seed, epoch=epoch)
        batches = order[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)
        parts = [self._parts(batch[self._own]) for batch in batches]
        total = torch.zeros((), device=self.here.device)
        with closing(self.train.chunks([part for batch in parts for part in batch])) as chunks:
            for i, batch in enumerate(parts):
                rate = self.o.rate(epoch * self.steps + i, self.o.epochs * self.steps)
                for group in self.optimizer.param_groups:
                    group["lr"] = rate * group["highest"]
                total += self._step(islice(chunks, len(batch)), len(batch), bar)
        return self.here.reduce(total / self.steps, "mean").item()

    @property
    def own_rows(self) -> int:
        """Return how many rows of a batch this process takes."""
        return self.batch_size // self.here.num_processes

    @property
    def _own(self) -> slice:
        return slice(self.here.process_index, None, self.here.num_processes)

    def _parts(self, rows: Int[np.ndarray, " row"]) -> list[np.ndarray]:
        return np.array_split(rows, -(-len(rows) // self.o.rows_at_once)) if len(rows) else []

    def _step(
        self, chunks: Iterator[tuple[dict[str, Tensor], Tensor]], count: int, bar: tqdm
    ) -> Tensor:
        criterion = nn.CrossEntropyLoss(label_smoothing=self.o.label_smoothing)
        total = torch.zeros((), device=self.here.device)
        self.optimizer.zero_grad()
        for i, (x, targets) in enumerate(chunks, start=1):
            weight = len(targets) / self.own_rows
            with self.here.no_sync(self.shared) if i < count else nullcontext():
                loss = weight * self.shared(*self._there(x, targets), criterion)
                self.here.backward(loss)
            total += loss.detach()
            bar.update(len(targets))
        if self.o.clip_norm:
            self.here.clip_grad_norm_(self.shared.parameters(), self.o.clip_norm)
        self.optimizer.step()
        return total

    def _there(self, x: Mapping[str, Tensor], targets: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        return {m: self._sent(rows) for m, rows in x.items()}, self._sent(targets)

    def _sent(self, rows: Tensor) -> Tensor:
        pinned = rows.pin_memory() if self.here.device.type == "cuda" else rows
        return pinned.to(self.here.device, non_blocking=True)

    @torch.inference_mode()
    def evaluate(self) -> dict[str, float]:
        """Return mean cross-entropy and accuracy over the rows of the validation fold."""
        self.shared.eval()
        tally = torch.zeros(2, dtype=torch.float64, device=self.here.device)
        parts = self._parts(np.arange(len(self.val.targets))[self._own])
        for x, targets in (self._there(*chunk) for chunk in self.val.chunks(parts)):
            logits = self.net(x).double()
            tally[0] += nn.functional.cross_entropy(logits, targets, reduction="sum")
            tally[1] += (logits.argmax(1) == targets).sum()
        loss, right = (self.here.reduce(tally, "sum") / len(self.val.targets)).tolist()
        return {"val_loss": loss, "val_accuracy": right}

    def state(self) -> State:
        """Return all that the next epoch begins with."""
        adam = {
            f"adam/{name}/{key}": value.detach().cpu().clone()
            for name, p in self.net.named_parameters()
            for key, value in self.optimizer.state.get(p, {}).items()
        }
        return adam | {f"net/{name}": value for name, value in self.net.state().items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take what `state` gave."""
        self.net.load(below("net/", state))
        for name, p in self.net.named_parameters():
            if own := below(f"adam/{name}/", state):
                self.optimizer.state[p] = {k: v.to(p.device) for k, v in own.items()}


def fit(
    run: Run, *, saved: tuple[State, list[dict[str, Any]]] | None, save: Save
) -> tuple[State, list[dict[str, Any]]]:
    """Train a network and return the state of the epoch with the lowest validation loss.

    However many processes share its batches, the result is the same up to rounding, where no layer
    looks at other rows or draws: batch normalisation and dropout are each process's own.

    Args:
        run: what is trained.
        saved: what `save` was last given, to go on from there.
        save: called after each epoch, by one process.

    Returns:
        The state, as `EndToEnd.state` gives it, and the history, a row an epoch.

    Raises:
        ValueError: if a loss is not finite.
    """
    state, history = saved or ({}, [])
    history, best = list(history), below("best/", state)
    if saved:
        run.load(state)
    rows = run.steps * run.own_rows  # an epoch
    bar = tqdm(
        total=run.o.epochs * rows,
        initial=len(history) * rows,
        desc="finetune",
        unit="row",
        disable=not run.here.is_main_process,
    )
    while len(history) < run.o.epochs and not _stopped(history, run.o.patience):
        epoch = len(history)
        row = {"epoch": epoch, "train_loss": run.epoch(epoch, bar), **run.evaluate()}
        _check_finite(row, run.o)
        if row["val_loss"] < min((r["val_loss"] for r in history), default=math.inf):
            best = run.net.state()
        history.append(row)
        bar.set_postfix({k: f"{row[k]:.3f}" for k in ("val_loss", "val_accuracy")})
        if run.here.is_main_process:
            save(run.state() | {f"best/{name}": value for name, value in best.items()}, history)
        run.here.wait_for_everyone()
    bar.close()
    return best, history


def chosen(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the row of the epoch whose state is kept."""
    return min(history, key=lambda row: row["val_loss"])


def _stopped(history: Sequence[Mapping[str, Any]], patience: int) -> bool:
    if not history or not patience:
        return False
    return len(history) - 1 - int(chosen(history)["epoch"]) >= patience


def _check_finite(row: Mapping[str, Any], o: Tuning) -> None:
    for name in ("train_loss", "val_loss"):
        if not math.isfinite(row[name]):
            raise ValueError(
                f"{name} is {row[name]} in epoch {row['epoch']}; lower fit.lr ({o.lr}) or "
                f"fit.head_lr ({o.head_lr}), or set fit.clip_norm ({o.clip_norm})"
            )
