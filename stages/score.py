"""score <experiment>: predictions, test labels -> metrics/<experiment>.json and tables."""

import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np

from avsc import params
from avsc.artifacts import manifest, metrics, predictions
from avsc.scoring import protocol


def main(name: str) -> None:
    data = params.load("data")
    labels = manifest.read(Path("data/manifest/labels_test.csv"), manifest.LABELS)
    truth = {r["clip_id"]: r["scene_label"] for r in labels}
    lost = {r["clip_id"] for r in manifest.read(Path("data/quarantine.csv"), manifest.QUARANTINE)}
    p = predictions.read(Path(f"data/predictions/{name}.parquet"), "test")
    segment = None if p.segment is None else np.array(p.segment)
    report = protocol.report(
        p.clip_id,
        segment,
        p.probs,
        truth=truth,
        classes=p.scenes,
        segments=params.load("decode.seconds") or own_lengths(p.clip_id, truth),
        quarantined=lost & set(truth),
    )
    metrics.write(Path(f"metrics/{name}.json"), {"data": data, **protocol.headline(report)})

    out = Path("metrics") / name
    tables = ("per_class", "confusion")
    scores = {k: {n: v for n, v in asdict(s).items() if n not in tables} for k, s in report.items()}
    metrics.write(out / "scores.json", {"data": data, **scores})
    for table in tables:
        rows = [
            {"data": data, "protocol": items, **row}
            for items, s in report.items()
            for row in getattr(s, table)
        ]
        metrics.write_table(out / f"{table}.csv", rows)


def own_lengths(clip_id: list[str], truth: dict[str, str]) -> dict[str, int]:
    """Return each clip's number of segments; a clip without predictions counts as one."""
    rows = Counter(clip_id)
    return {c: max(1, rows[c]) for c in truth}


if __name__ == "__main__":
    main(sys.argv[1])
