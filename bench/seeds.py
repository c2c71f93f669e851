"""Seeds at once: ten seeds of early fusion in one stack, or in processes, beside one by one.

Two times 128 numbers a segment, an epoch of 3200 segments and a pass over 1000 of validation. A
step costs its start and its products; the stack has one start for ten seeds, and the products of
all, in one thread. Processes, as a study has them, are one a core, or a GPU; they train for ten
epochs, for their start, some seconds, is in the time. `difference` is the largest between the
training losses of both.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch

from avsc.device import device
from avsc.heads.early import Head
from avsc.processes import room, side_by_side
from avsc.training import loop, stacked
from avsc.training.folds import Fold
from avsc.training.system import System
from bench._table import main
from bench._turns import Row, compared, difference, in_turns, threads

SHAPES = {"audio": (128,), "video": (128,)}
SCENES = 10
MEMORY_BYTES = 10**8  # of a process, at most
WIDTHS = {"narrow": [64], "the baseline's": [512, 128, 64]}


def results(*, quick: bool = False) -> list[Row]:
    """Return a row for each head and batch size."""
    count, seeds, repeats = (256, [1, 2], 1) if quick else (3200, list(range(10)), 3)
    folds = [_fold(n, seed) for seed, n in enumerate((count, min(count, 1000)))]
    rows = []
    for head, widths in WIDTHS.items():
        for batch in (64, 512):
            options = {"epochs": 1, "batch_size": batch, "lr": 1e-3}
            sides = {
                "at once": lambda w=widths, o=options: at_once(folds, w, seeds, o),
                "in turn": lambda w=widths, o=options: in_turn(folds, w, seeds, o),
            }
            with threads(1):
                given, took = in_turns(sides, repeats=repeats)
            what = f"{len(seeds)} seeds of a head, {head}, at batch {batch}, in one stack"
            rows.append(_row(what, given, took))
    rows.append(_processes(folds, seeds, epochs=1 if quick else 10))
    return rows


def _processes(folds: Sequence[Fold], seeds: Sequence[int], *, epochs: int) -> Row:
    (head, widths), batch = list(WIDTHS.items())[-1], 64
    options = {"epochs": epochs, "batch_size": batch, "lr": 1e-3}
    sides = {
        "at once": partial(by_processes, folds, widths, seeds, options),
        "in turn": partial(in_turn, folds, widths, seeds, options),
    }
    with threads(1):
        given, took = in_turns(sides, repeats=1)
        processes = min(room(MEMORY_BYTES), len(seeds))
    what = f"{len(seeds)} seeds of a head, {head}, at batch {batch}, by {processes} processes"
    return _row(what, given, took)


def _row(what: str, given: Mapping[str, Any], took: Mapping[str, float]) -> Row:
    return compared(
        what,
        "one after the other",
        took["at once"],
        took["in turn"],
        difference=difference(given["at once"], given["in turn"]),
    )


def at_once(
    folds: Sequence[Fold], widths: list[int], seeds: Sequence[int], options: Mapping[str, Any]
) -> list[list[float]]:
    """Return the training losses of each seed."""
    systems = [_system(widths, seed) for seed in seeds]
    more: dict[str, Any] = {"num_classes": SCENES, "options": options, "device": device()}
    return [_losses(h) for h in stacked.fit(systems, *folds, seeds=seeds, **more)]


def in_turn(
    folds: Sequence[Fold], widths: list[int], seeds: Sequence[int], options: Mapping[str, Any]
) -> list[list[float]]:
    """Return the training losses of each seed."""
    return [_alone(folds, widths, options, seed)[1] for seed in seeds]


def by_processes(
    folds: Sequence[Fold], widths: list[int], seeds: Sequence[int], options: Mapping[str, Any]
) -> list[list[float]]:
    """Return the training losses of each seed."""
    alone = partial(_alone, folds, widths, options)
    return [losses for _, losses in sorted(side_by_side(alone, seeds, memory_bytes=MEMORY_BYTES))]


def _alone(
    folds: Sequence[Fold], widths: list[int], options: Mapping[str, Any], seed: int
) -> tuple[int, list[float]]:
    more: dict[str, Any] = {"num_classes": SCENES, "options": options, "device": device()}
    return seed, _losses(loop.fit(_system(widths, seed), *folds, seed=seed, **more))


def _losses(history: Sequence[Mapping[str, Any]]) -> list[float]:
    return [row["train_loss"] for row in history]


def _system(widths: list[int], seed: int) -> System:
    torch.manual_seed(seed)
    return System(Head(SHAPES, SCENES, widths=widths), SHAPES, standardise=True)


def _fold(count: int, seed: int) -> Fold:
    generator = torch.Generator().manual_seed(seed)
    x = {m: torch.randn(count, *shape, generator=generator) for m, shape in SHAPES.items()}
    return Fold(x, torch.arange(count) % SCENES)


if __name__ == "__main__":
    main("seeds")
