"""score_robustness <experiment>: its predictions, test labels -> metrics/robustness/<name>.csv."""

import sys
from pathlib import Path

from avsc import evaluation, params
from avsc.artifacts import disturbances, metrics
from avsc.scoring import protocol


def main(name: str) -> None:
    data, seconds = params.load("data"), params.load("decode.seconds")
    directory, rows = Path("data/robustness") / name, []
    for d in disturbances.read(directory):
        report = evaluation.report(directory / f"{d.name}.parquet", seconds=seconds)
        what = {"kind": d.kind, "strength": d.strength, "unit": d.unit}
        for p, scores in protocol.headline(report).items():
            rows.append({"data": data, "protocol": p, **what, **scores})
    metrics.write_table(Path(f"metrics/robustness/{name}.csv"), rows)


if __name__ == "__main__":
    main(sys.argv[1])
