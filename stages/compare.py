"""compare <name>: predictions of two systems, test labels -> metrics/compare/<name>.csv.

A difference is one's score less the other's, with its 95 % interval over the same locations.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from avsc import evaluation, params
from avsc.artifacts import metrics
from avsc.params.analyses import Compare
from avsc.scoring import uncertainty


def main(name: str) -> None:
    p, data = params.load(f"compare.{name}", Compare), params.load("data")
    seed = params.load("seed")
    systems = {side: p[side] for side in ("one", "other")}
    paths = {side: Path(f"data/predictions/{system}.parquet") for side, system in systems.items()}
    one, other = evaluation.together(paths, seconds=params.load("decode.seconds")).values()
    rows: list[dict[str, Any]] = []
    for protocol, items in one.items.items():
        rival, locations = other.items[protocol], one.column("location", protocol)
        mcnemar = asdict(uncertainty.mcnemar(items.right, rival.right))
        values = {
            "log_loss_macro": items.losses - rival.losses,
            "accuracy_macro": items.right.astype(float) - rival.right,
        }
        for metric, v in values.items():
            found = uncertainty.macro_interval(items.targets, v, locations, seed=seed)
            bounds = {"low": found.bootstrap_low, "high": found.bootstrap_high}
            about = {"data": data, "protocol": protocol, "metric": metric, **systems}
            tested = mcnemar if metric == "accuracy_macro" else dict.fromkeys(mcnemar)
            rows.append({**about, "difference": found.value, **bounds, **tested})
    metrics.write_table(Path(f"metrics/compare/{name}.csv"), rows)


if __name__ == "__main__":
    main(sys.argv[1])
