"""fusion <name>: predictions of three systems, test labels -> metrics/fusion/<name>*.csv.

A fused system against systems of audio and of video: class by class, and clip by clip.
"""

import sys
from pathlib import Path

from avsc import evaluation, params
from avsc.artifacts import metrics
from avsc.params.analyses import Fusion
from avsc.scoring import agreement


def main(name: str) -> None:
    p, data = params.load(f"fusion.{name}", Fusion), params.load("data")
    paths = {side: Path(f"data/predictions/{p[side]}.parquet") for side in agreement.SYSTEMS}
    found = evaluation.together(paths, seconds=params.load("decode.seconds"))
    fused, protocols = found["fused"], found["fused"].items
    systems = {q: {side: a.items[q] for side, a in found.items()} for q in protocols}
    rows = [
        {"data": data, "protocol": q} | row
        for q in protocols
        for row in agreement.by_class(systems[q], fused.scenes)
    ]
    metrics.write_table(Path(f"metrics/fusion/{name}.csv"), rows)

    clip = systems["clip"]
    cells = agreement.cells(clip["audio"].right, clip["video"].right)
    clips = [
        {
            "data": data,
            "protocol": "clip",
            "clip_id": label["clip_id"],
            "scene_label": label["scene_label"],
            "cell": agreement.CELLS[cell],
            "fused_right": int(right),
        }
        for label, cell, right in zip(fused.labels, cells, clip["fused"].right, strict=True)
    ]
    metrics.write_table(Path(f"metrics/fusion/{name}_clips.csv"), clips)


if __name__ == "__main__":
    main(sys.argv[1])
