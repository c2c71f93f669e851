"""Several seeds of a system trained at once: their parameters are stacked, and a step is of all.

Each member keeps the order of rows and, on a CPU, the dropout that it draws alone, so it differs
from that by the rounding of batched products: losses and probabilities by less than 1e-3 in the
tests. What this saves is the cost of starting a step: most of it for narrow heads and small
batches, little where the products take the time.
"""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from avsc.training import dropout
from avsc.training.folds import Fold, check
from avsc.training.loop import epochs
from avsc.training.options import Options
from avsc.training.strategies import schedules
from avsc.training.system import Batch, System
from avsc.training.validation import calibrate, check_finite, logits, scores

LAYERS = (nn.Linear, nn.BatchNorm1d, nn.LayerNorm, nn.ReLU, nn.GELU, nn.Dropout, nn.Identity)
OWN_TRAINING = ("loss", "phases", "solve")
STRATEGIES = ("modality_dropout", "mixup", "unimodal", "infonce", "ogm")


def fits(head: nn.Module, options: Mapping[str, Any]) -> bool:
    """Return whether seeds of a head can be trained at once.

    It must be of plain layers and trained whole by cross-entropy, without strategies that draw or
    compare branches, and at a rate that does not depend on a member's own loss.
    """
    o = Options(**options)
    layers = [m for m in head.modules() if not list(m.children())]
    return (
        all(type(m) in LAYERS for m in layers)
        and not any(hasattr(head, name) for name in OWN_TRAINING)
        and not any(getattr(o, name) for name in STRATEGIES)
        and o.schedule["name"] != "plateau"
    )


def fit(
    systems: Sequence[System],
    train: Fold,
    val: Fold,
    *,
    num_classes: int,
    seeds: Sequence[int],
    options: Mapping[str, Any],
    device: str = "cpu",
) -> list[list[dict[str, Any]]]:
    """Fit systems in place, as `loop.fit` would each of them, and return the history of each.

    Args:
        systems: of one kind, each with the weights that its seed drew, and heads that `fits`.
        train: rows without views.
        val: rows on which every choice is made, for each member by itself.
        num_classes: of scenes.
        seeds: of each system.
        options: the `fit` block.
        device: where.

    Raises:
        ValueError: if the folds cannot be trained on, or a loss is not finite.
    """
    o = Options(**options)
    o.check(systems[0].head)
    check(train, val, num_classes)
    train, val = train.to(device), val.to(device)
    for system in systems:
        system.to(device)
        system.measure(train.x)
    train, val = (Fold(systems[0].prepare(f.x), f.targets) for f in (train, val))
    stack = Stack([system.head for system in systems], o, seeds, device)
    best, histories = stack.run(train, val)
    for i, system in enumerate(systems):
        system.head.load_state_dict({name: values[i] for name, values in best.items()})
        if o.temperature:
            calibrate(system, val)
    return histories


class Masked(nn.Module):
    """Dropout by a mask that is drawn elsewhere; it remembers the shape of a row."""

    mask: Tensor

    def __init__(self, p: float, order: list["Masked"]) -> None:
        super().__init__()
        self.p, self.order, self.row = p, order, torch.Size()
        self.register_buffer("mask", torch.ones(()))

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return x where the mask is not 0, and note when this was called for which shape."""
        self.order.append(self)
        self.row = x.shape[1:]
        return x * self.mask if self.training else x


class Stack:
    """Heads of one kind in training.

    Args:
        heads: the members.
        o: how.
        seeds: of each member's order of rows, and of its dropout.
        device: where they are.
    """

    def __init__(
        self, heads: Sequence[nn.Module], o: Options, seeds: Sequence[int], device: str
    ) -> None:
        self.o, self.size = o, len(heads)
        self.parameters, self.buffers = stack_module_state(list(heads))
        self.called: list[Masked] = []
        self.head = dropout.replaced(copy.deepcopy(heads[0]), partial(Masked, order=self.called))
        self.orders = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.dropouts = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def run(self, train: Fold, val: Fold) -> tuple[dict[str, Tensor], list[list[dict[str, Any]]]]:
        """Return the weights of each member's best epoch, and the members' histories."""
        names = self._called_in_turn(val.x)
        optimizer = self.o.optimise(list(self.parameters.values()))
        advance = schedules.create(optimizer=optimizer, **self.o.schedule)
        best = {name: values.detach().clone() for name, values in self._state().items()}
        lowest, since = [math.inf] * self.size, [0] * self.size
        histories: list[list[dict[str, Any]]] = [[] for _ in range(self.size)]
        running = set(range(self.size))
        for epoch in epochs(self.o.epochs, f"fit {self.size}"):
            lr = optimizer.param_groups[0]["lr"]
            steps = [self._step(x, y, names, optimizer) for x, y in self._batches(train)]
            losses = torch.stack(steps).mean(0).tolist()
            for i, row in enumerate(self._evaluate(val)):
                if i not in running:
                    continue
                if not math.isfinite(losses[i]):
                    raise ValueError(
                        f"fit: training loss is {losses[i]} in epoch {epoch}; lower fit.lr "
                        f"({self.o.lr})"
                    )
                check_finite(row["val_loss"], "fit", epoch, self.o)
                told = {"phase": "fit", "epoch": epoch, "lr": lr, "train_loss": losses[i]}
                histories[i].append(told | row)
                since[i] += 1
                if row["val_loss"] < lowest[i]:
                    lowest[i], since[i] = row["val_loss"], 0
                    for name, values in self._state().items():
                        best[name][i] = values[i].detach()
                if since[i] and since[i] == self.o.patience:
                    running.discard(i)
            if not running:
                break
            advance(math.nan)  # no schedule that fits looks at it
        return best, histories

    def _state(self) -> dict[str, Tensor]:
        return self.parameters | self.buffers

    def _called_in_turn(self, x: Batch) -> list[str]:
        """Return the dropouts in the order in which a pass calls, and so draws, them."""
        self.called.clear()
        with torch.no_grad():
            self.head.eval()({m: rows[:1] for m, rows in x.items()})
        names = {layer: name for name, layer in self.head.named_modules()}
        return [names[layer] for layer in self.called]

    def _batches(self, fold: Fold) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        """Yield (member, row, ...) of each modality and (member, row) targets, as the loop does."""
        drawn = [torch.randperm(len(fold.targets), generator=rng) for rng in self.orders]
        for rows in torch.stack(drawn).to(fold.targets.device).split(self.o.batch_size, dim=1):
            if rows.shape[1] < 2:
                return
            flat, sizes = rows.flatten(), (self.size, -1)
            x = {m: r.index_select(0, flat).unflatten(0, sizes) for m, r in fold.x.items()}
            yield x, fold.targets.index_select(0, flat)

    def _step(
        self, x: Batch, y: Tensor, names: Sequence[str], optimizer: torch.optim.Optimizer
    ) -> Float[Tensor, " member"]:
        self.head.train()
        masks = self._masks(names, next(iter(x.values())).shape[1], y.device)
        logits = torch.vmap(self._forward)(self.parameters, self.buffers | masks, x).flatten(0, 1)
        cross_entropy = nn.functional.cross_entropy
        each = cross_entropy(logits, y, reduction="none", label_smoothing=self.o.label_smoothing)
        losses = each.unflatten(0, (self.size, -1)).mean(1)
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
        return losses.detach()

    def _masks(self, names: Sequence[str], rows: int, device: torch.device) -> dict[str, Tensor]:
        """Return (member, row, ...) factors, 0 where a unit is dropped, of each dropout."""
        drawn: dict[str, list[Tensor]] = {name: [] for name in names}
        for rng in self.dropouts:
            for name in names:
                layer: Any = self.head.get_submodule(name)
                shape = torch.Size((rows, *layer.row))
                mask = dropout.factors(shape, layer.p, device=device, generator=rng)
                drawn[name].append(mask)
        return {f"{name}.mask": torch.stack(masks) for name, masks in drawn.items()}

    def _forward(self, parameters: Any, buffers: Any, x: Batch) -> Tensor:
        return functional_call(self.head, (parameters, buffers), (x,))

    def _evaluate(self, fold: Fold) -> list[dict[str, float]]:
        """Return mean cross-entropy and accuracy of each member."""
        self.head.eval()
        forward = partial(torch.vmap(self._forward, (0, 0, None)), self.parameters, self.buffers)
        return [scores(own, fold.targets) for own in logits(forward, fold)]
