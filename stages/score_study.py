"""score_study <name>: predictions of the cells, labels -> metrics/studies/<name>*.csv.

The table holds mean and spread over the seeds, of the test fold and of the validation fold, by
which a cell is to be chosen; the table by class is of the first seed on the test fold.
"""

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from avsc import evaluation, params
from avsc.artifacts import metrics, sealed_json
from avsc.params.study import Study, labels, published
from avsc.scoring.protocol import Scores

SCORES = ("log_loss_macro", "accuracy_macro", "log_loss_micro", "accuracy_micro")
VALIDATION = SCORES[:2]
PUBLISHED = ("protocol", "log_loss", "accuracy")
PROTOCOLS = ("segment", "clip")


def main(name: str) -> None:
    study, data = params.read(Study, f"study.{name}"), params.load("data")
    seconds = params.load("decode.seconds")
    directory = Path("data/studies") / name
    reports: dict[str, list[dict[str, Scores]]] = defaultdict(list)
    chosen_by: dict[str, list[dict[str, Scores]]] = defaultdict(list)
    for cell, path in trained(directory / "cells.json", study):
        reports[cell].append(evaluation.report(path, seconds=seconds))
        chosen_by[cell].append(evaluation.report(path, "val", seconds=seconds))
    rows, known = [], published(study)
    for cell, found in reports.items():
        row: dict[str, Any] = {"data": data, "study": name, "cell": cell, "seeds": len(found)}
        row |= {k: v for p in PROTOCOLS for k, v in spread(p, found).items()}
        validation = [spread(p, chosen_by[cell], VALIDATION) for p in PROTOCOLS]
        row |= {f"val_{k}": v for columns in validation for k, v in columns.items()}
        paper = known.get(cell)
        rows.append(row | {f"published_{k}": getattr(paper, k, None) for k in PUBLISHED})
    metrics.write_table(Path(f"metrics/studies/{name}.csv"), rows)
    classes = [
        {"data": data, "cell": cell, "protocol": protocol, **row}
        for cell, found in reports.items()
        for protocol, scores in found[0].items()
        for row in scores.per_class
    ]
    metrics.write_table(Path(f"metrics/studies/{name}_per_class.csv"), classes)


def trained(path: Path, study: Study) -> list[tuple[str, Path]]:
    """Return cell and file of each prediction, where they are what studies.yaml asks for."""
    asked = [(cell, seed) for cell in labels(study) for seed in study.seeds]
    match sealed_json.read(path).get("cells"):
        case [*rows] if [_about(row) for row in rows] == asked:
            return [(row["cell"], path.with_name(f"{row['key']}.parquet")) for row in rows]
    raise ValueError(
        f"{path} lists other cells than the {len(asked)} of studies.yaml; run `dvc repro`"
    )


def _about(row: object) -> tuple[str, int] | None:
    match row:
        case {"cell": cell, "seed": seed, "key": str(key)} if key.isalnum():
            return cell, seed
    return None


def spread(
    protocol: str, found: list[dict[str, Scores]], scores: Sequence[str] = SCORES
) -> dict[str, float | None]:
    """Return mean and standard deviation over the seeds of each score of a protocol.

    The deviation is that of seeds that might have been drawn (n - 1); one seed tells none.
    """
    columns: dict[str, float | None] = {}
    for score in scores:
        values = [getattr(report[protocol], score) for report in found if protocol in report]
        columns[f"{protocol}_{score}"] = mean(values) if values else None
        columns[f"{protocol}_{score}_sd"] = stdev(values) if len(values) > 1 else None
    return columns


if __name__ == "__main__":
    main(sys.argv[1])
