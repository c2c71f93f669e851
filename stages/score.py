"""score <experiment>: predictions, labels -> metrics/<experiment>.json and tables.

Labels of the validation fold serve the temperature alone, those of the test fold all else.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from avsc import evaluation, params
from avsc.artifacts import metrics
from avsc.scoring import calibration, places, protocol, uncertainty
from avsc.scoring.protocol import Items, Scores
from avsc.training.strategies.calibration import fit_temperature

Rows = list[dict[str, Any]]


def main(name: str) -> None:
    data, seconds, seed = (params.load(key) for key in ("data", "decode.seconds", "seed"))
    path = Path(f"data/predictions/{name}.parquet")
    val, test = (evaluation.answered(path, s, seconds=seconds) for s in ("val", "test"))
    report = protocol.scores(test.items, test.scenes)
    scores = {  # short names: `dvc metrics show` has a column for each
        p: {metric.removesuffix("_macro"): value for metric, value in macro.items()}
        for p, macro in protocol.headline(report).items()
    }
    metrics.write(Path(f"metrics/{name}.json"), scores)
    tables: dict[str, Rows] = {}
    for p, items in test.items.items():
        cities, locations = test.column("city", p), test.column("location", p)
        found = of_scores(report[p]) | {
            "intervals": intervals(items, locations, seed),
            "calibration": before_and_after(items, val.items[p]),
            "places": places.by_place(
                items.targets, items.losses, items.right, cities=cities, locations=locations
            ),
        }
        for table, rows in found.items():
            tables.setdefault(table, []).extend({"data": data, "protocol": p} | r for r in rows)
    for table, rows in tables.items():
        metrics.write_table(Path(f"metrics/{name}/{table}.csv"), rows)


def of_scores(scores: Scores) -> dict[str, Rows]:
    values = asdict(scores)
    found: dict[str, Rows] = {table: values.pop(table) for table in ("per_class", "confusion")}
    return {"scores": [values]} | found


def intervals(items: Items, locations: np.ndarray, seed: int) -> Rows:
    values = {"log_loss_macro": items.losses, "accuracy_macro": items.right.astype(float)}
    return [
        {"metric": metric}
        | asdict(uncertainty.macro_interval(items.targets, v, locations, seed=seed))
        for metric, v in values.items()
    ]


def before_and_after(test: Items, val: Items) -> Rows:
    """Return the reliability of the test fold, as it is and at the validation fold's temperature.

    Whole clips have a temperature of their own: means of probabilities are less sure than these.
    """
    fitted = fit_temperature(calibration.log_probs(val.probs), val.targets)
    rows: Rows = []
    for when, temperature in (("before", 1.0), ("after", fitted)):
        probs = test.probs if when == "before" else calibration.tempered(test.probs, temperature)
        found = calibration.reliability(probs, test.right)
        about = {"when": when, "temperature": temperature, "ece": found.ece}
        rows += [about | row for row in found.bins]
    return rows


if __name__ == "__main__":
    main(sys.argv[1])
