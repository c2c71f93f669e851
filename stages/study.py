"""study <name>: a table of a paper, cell by cell -> data/studies/<name>/."""

import json
import sys
from pathlib import Path

from tqdm import tqdm

from avsc import experiment, params, studies
from avsc.artifacts import predictions


def main(name: str) -> None:
    study = params.load(f"study.{name}")
    out = Path("data/studies") / name
    loaded: dict[str, experiment.Data] = {}
    work = [(n, b, s) for n, b in studies.cells(study).items() for s in study["seeds"]]
    for number, (cell, block, seed) in enumerate(tqdm(work, desc=name, unit="cell")):
        read = json.dumps([block[k] for k in ("audio", "video", "labels")] + [block.get("views")])
        if read not in loaded:
            loaded[read] = experiment.load(block)
        data = loaded[read]
        tqdm.write(f"{cell}, seed {seed}", file=sys.stderr)
        fitted = experiment.fit(block, data, seed=seed)
        splits = {s: experiment.predictions(fitted, data, s) for s in ("val", "test")}
        predictions.write(out / f"{number:04d}.parquet", splits)
    index = [{"cell": cell, "seed": seed} for cell, _, seed in work]
    (out / "cells.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
