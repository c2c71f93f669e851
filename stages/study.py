"""study <name>: a table of a paper, cell by cell -> data/studies/<name>/."""

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

from tqdm import tqdm

from avsc import experiment, params, studies
from avsc.artifacts import predictions


def main(name: str) -> None:
    study = params.load(f"study.{name}")
    out = Path("data/studies") / name
    cells = [(cell, b, seed) for cell, b in studies.cells(study).items() for seed in study["seeds"]]
    bar = tqdm(total=len(cells), desc=name, unit="cell")
    for _, group in groupby(sorted(enumerate(cells), key=arrays_of), key=arrays_of):
        work = list(group)
        blocks = [block for _, (_, block, _) in work]
        views = sorted({m for block in blocks for m in block.get("views", ())})
        data = experiment.load({**blocks[0], "views": views})
        for number, (cell, block, seed) in work:
            bar.set_postfix_str(f"{cell}, seed {seed}")
            fitted = experiment.fit(block, data, seed=seed)
            splits = {s: experiment.predictions(fitted, data, s) for s in ("val", "test")}
            predictions.write(out / f"{number:04d}.parquet", splits)
            bar.update()
    index = [{"cell": cell, "seed": seed} for cell, _, seed in cells]
    (out / "cells.json").write_text(json.dumps(index, indent=1) + "\n")


def arrays_of(numbered: tuple[int, tuple[str, dict[str, Any], int]]) -> tuple[str, ...]:
    """Return what a cell reads: cells that read the same are neighbours and share it in memory."""
    _, (_, block, _) = numbered
    return block["audio"], block["video"], block["labels"]


if __name__ == "__main__":
    main(sys.argv[1])
