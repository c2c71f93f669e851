"""score <experiment>: predictions, test labels -> metrics/<experiment>.json and tables."""

import sys
from dataclasses import asdict
from pathlib import Path

from avsc import evaluation, params
from avsc.artifacts import metrics
from avsc.scoring import protocol

TABLES = ("per_class", "confusion")


def main(name: str) -> None:
    data, seconds = params.load("data"), params.load("decode.seconds")
    report = evaluation.report(Path(f"data/predictions/{name}.parquet"), seconds=seconds)
    metrics.write(Path(f"metrics/{name}.json"), {"data": data, **protocol.headline(report)})

    out = Path("metrics") / name
    about = {p: {"data": data, "protocol": p} for p in report}
    scores = [
        about[p] | {k: v for k, v in asdict(s).items() if k not in TABLES}
        for p, s in report.items()
    ]
    metrics.write_table(out / "scores.csv", scores)
    for table in TABLES:
        rows = [about[p] | row for p, s in report.items() for row in getattr(s, table)]
        metrics.write_table(out / f"{table}.csv", rows)


if __name__ == "__main__":
    main(sys.argv[1])
