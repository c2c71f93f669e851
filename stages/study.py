"""study <name>: a table of a paper, cell by cell -> data/studies/<name>/.

Cells are trained side by side, by as many processes as the cores and the memory have room for, or
AVSC_PROCESSES says; what a cell gives does not depend on it.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from avsc import experiment, params, processes, studies
from avsc.artifacts import metrics, predictions, shard
from avsc.device import device
from avsc.studies import Portion
from avsc.training import stacked

COPIES = 3  # of the arrays, in memory: as they are read, standardised, and on the way there
BARE_BYTES = 5 * 10**8  # of a process that has loaded torch


def main(name: str) -> None:
    study, out = params.load(f"study.{name}"), Path("data/studies") / name
    todo = studies.portions(study)
    encoders = {one.block[m] for one in todo for m in experiment.MODALITIES} - {"none"}
    files = (p for e in encoders for p in shard.paths(Path("data/embeddings") / e))
    needed = BARE_BYTES + COPIES * sum(p.stat().st_size for p in files)
    done = processes.side_by_side(Trainer(out), todo, memory_bytes=needed)
    cells = [(cell, seed) for cell in studies.cells(study) for seed in studies.seeds(study)]
    with tqdm(total=len(cells), desc=name, unit="cell") as bar:
        for portion in done:
            bar.set_postfix_str(repr(portion))
            bar.update(len(portion.seeds))
    metrics.write(out / "cells.json", [{"cell": cell, "seed": seed} for cell, seed in cells])


class Trainer:
    """Trains portions, writes their predictions to `out`, and keeps the arrays for the next one."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._loaded: dict[tuple[object, ...], experiment.Data] = {}

    def __call__(self, portion: Portion) -> Portion:
        """Return the portion once it is done."""
        data = self._data(portion)
        systems = trained(portion.block, data, portion.seeds)
        for number, fitted in zip(portion.numbers, systems, strict=True):
            splits = {s: experiment.predictions(fitted, data, s) for s in ("val", "test")}
            predictions.write(self.out / f"{number:04d}.parquet", splits)
        return portion

    def _data(self, portion: Portion) -> experiment.Data:
        read = *studies.arrays_of(portion.block), portion.views
        if read not in self._loaded:
            self._loaded.clear()
            self._loaded[read] = experiment.load({**portion.block, "views": portion.views})
        return self._loaded[read]


def trained(
    block: Mapping[str, Any], data: experiment.Data, seeds: Sequence[int]
) -> list[experiment.Fitted]:
    """Return a system for each seed, trained at once where such systems can be."""
    options = block.get("fit", {})
    several = len(seeds) > 1 and not block.get("views")
    made = [experiment.untrained(block, data, seed=seed) for seed in seeds if several]
    if not made or not stacked.fits(made[0].system.head, options):
        return [experiment.fit(block, data, seed=seed) for seed in seeds]
    histories = stacked.fit(
        [one.system for one in made],
        data.splits["train"].fold(),
        data.splits["val"].fold(),
        num_classes=len(data.scenes),
        seeds=seeds,
        options=options,
        device=device(),
    )
    return [replace(one, history=rows) for one, rows in zip(made, histories, strict=True)]


if __name__ == "__main__":
    main(sys.argv[1])
