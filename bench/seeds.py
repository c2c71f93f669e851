"""Seeds side by side: ten seeds of early fusion by several processes, beside one after the other.

Two times 128 numbers a segment, ten epochs of 3200 segments and passes over 1000 of validation.
Processes, as a study has them, are one a core, or a GPU. `difference` is the largest between the
training losses of both.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch

from avsc.device import device
from avsc.heads.early import Head
from avsc.processes import room, side_by_side
from avsc.training import loop
from avsc.training.folds import Fold
from avsc.training.system import System
from bench._table import main
from bench._turns import Row, compared, difference, in_turns, threads

SHAPES = {"audio": (128,), "video": (128,)}
SCENES = 10
MEMORY_BYTES = 10**8  # of a process, at most
WIDTHS = [512, 128, 64]  # the baseline's


def results(*, quick: bool = False) -> list[Row]:
    """Return one row."""
    count, seeds, epochs = (256, [1, 2], 1) if quick else (3200, list(range(10)), 10)
    folds = [_fold(n, seed) for seed, n in enumerate((count, min(count, 1000)))]
    options = {"epochs": epochs, "batch_size": 64, "lr": 1e-3}
    sides = {
        "ours": partial(by_processes, folds, seeds, options),
        "in turn": partial(in_turn, folds, seeds, options),
    }
    with threads(1):
        given, took = in_turns(sides, repeats=1)
        processes = min(room(MEMORY_BYTES), len(seeds))
    row = compared(
        f"{len(seeds)} seeds of the baseline's head, by {processes} processes",
        "one after the other",
        took["ours"],
        took["in turn"],
        difference=difference(given["ours"], given["in turn"]),
    )
    return [row]


def in_turn(
    folds: Sequence[Fold], seeds: Sequence[int], options: Mapping[str, Any]
) -> list[list[float]]:
    """Return the training losses of each seed."""
    return [_alone(folds, options, seed)[1] for seed in seeds]


def by_processes(
    folds: Sequence[Fold], seeds: Sequence[int], options: Mapping[str, Any]
) -> list[list[float]]:
    """Return the training losses of each seed."""
    alone = partial(_alone, folds, options)
    return [losses for _, losses in sorted(side_by_side(alone, seeds, memory_bytes=MEMORY_BYTES))]


def _alone(folds: Sequence[Fold], options: Mapping[str, Any], seed: int) -> tuple[int, list[float]]:
    more: dict[str, Any] = {"num_classes": SCENES, "options": options, "device": device()}
    history = loop.fit(_system(seed), *folds, seed=seed, **more)
    return seed, [row["train_loss"] for row in history]


def _system(seed: int) -> System:
    torch.manual_seed(seed)
    return System(Head(SHAPES, SCENES, widths=WIDTHS), SHAPES, standardise=True)


def _fold(count: int, seed: int) -> Fold:
    generator = torch.Generator().manual_seed(seed)
    x = {m: torch.randn(count, *shape, generator=generator) for m, shape in SHAPES.items()}
    return Fold(x, torch.arange(count) % SCENES)


if __name__ == "__main__":
    main("seeds")
