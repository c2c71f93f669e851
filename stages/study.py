"""study <name>: a table of a paper, cell by cell -> data/studies/<name>/."""

import sys
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from tqdm import tqdm

from avsc import experiment, params, studies
from avsc.artifacts import metrics, predictions
from avsc.device import device
from avsc.training import stacked


def main(name: str) -> None:
    study = params.load(f"study.{name}")
    out = Path("data/studies") / name
    cells = [(cell, b, seed) for cell, b in studies.cells(study).items() for seed in study["seeds"]]
    with tqdm(total=len(cells), desc=name, unit="cell") as bar:
        for _, group in groupby(sorted(enumerate(cells), key=arrays_of), key=arrays_of):
            work = list(group)
            blocks = [block for _, (_, block, _) in work]
            views = sorted({m for block in blocks for m in block.get("views", ())})
            data = experiment.load({**blocks[0], "views": views})
            for _, same in groupby(
                work, key=lambda one: one[1][0] if study.get("stack") else one[0]
            ):
                together = list(same)
                _, (cell, block, _) = together[0]
                seeds = [seed for _, (_, _, seed) in together]
                bar.set_postfix_str(f"{cell}, seed {', '.join(map(str, seeds))}")
                for (number, _), fitted in zip(together, trained(block, data, seeds), strict=True):
                    splits = {s: experiment.predictions(fitted, data, s) for s in ("val", "test")}
                    predictions.write(out / f"{number:04d}.parquet", splits)
                    bar.update()
    index = [{"cell": cell, "seed": seed} for cell, _, seed in cells]
    metrics.write(out / "cells.json", index)


def trained(
    block: dict[str, Any], data: experiment.Data, seeds: list[int]
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


def arrays_of(numbered: tuple[int, tuple[str, dict[str, Any], int]]) -> tuple[str, ...]:
    """Return what a cell reads: cells that read the same are neighbours and share it in memory."""
    _, (_, block, _) = numbered
    return block["audio"], block["video"], block["labels"]


if __name__ == "__main__":
    main(sys.argv[1])
