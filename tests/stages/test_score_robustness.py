import csv
from math import log
from pathlib import Path

import numpy as np
import pytest
import yaml

from avsc.artifacts import disturbances, manifest, predictions
from avsc.artifacts.disturbances import Disturbance
from avsc.artifacts.predictions import Predictions
from stages import score_robustness

SCENES = ("bus", "park")
TRUTH = {"a": "bus", "b": "park"}
PLAIN, NOISE = Disturbance("none", "none"), Disturbance("gain_db_-20", "gain", -20, "dB")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Two clips of two seconds; systems that are sure of the truth, or of every second one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"data": "toy", "decode": {"seconds": 2}}))
    rows = [
        {"clip_id": c, "scene_label": s, "city": "x", "location": c, "split": "test"}
        for c, s in TRUTH.items()
    ]
    manifest.write(Path("data/manifest/labels_test.csv"), manifest.LABELS, rows)
    manifest.write(Path("data/quarantine.csv"), manifest.QUARANTINE, [])
    return tmp_path


def predicted(d, probs, *, segment):
    clips = [c for c in TRUTH for _ in range(len(probs) // 2)]
    p = Predictions(clips, segment, np.array(probs), SCENES)
    predictions.write(Path(f"data/robustness/one/{d.name}.parquet"), {"test": p})


def sheet():
    score_robustness.main("one")
    with Path("metrics/robustness/one.csv").open(newline="") as f:
        return list(csv.DictReader(f))


def expected(protocol, d, loss, accuracy):
    strength = "" if d.strength is None else str(d.strength)
    about = {"data": "toy", "protocol": protocol, "kind": d.kind, "strength": strength}
    scores = {"log_loss_macro": str(round(loss, 4)), "accuracy_macro": str(round(accuracy, 4))}
    return about | {"unit": d.unit} | scores


@pytest.mark.usefixtures("project")
def test_a_row_for_each_disturbance_and_protocol_says_what_it_costs():
    disturbances.write(Path("data/robustness/one"), [PLAIN, NOISE])
    predicted(PLAIN, [[0.8, 0.2], [0.8, 0.2], [0.2, 0.8], [0.2, 0.8]], segment=[0, 1, 0, 1])
    predicted(NOISE, [[0.9, 0.1], [0.3, 0.7], [0.1, 0.9], [0.7, 0.3]], segment=[0, 1, 0, 1])
    assert sheet() == [
        expected("segment", PLAIN, -log(0.8), 1.0),
        expected("clip", PLAIN, -log(0.8), 1.0),
        expected("segment", NOISE, -(log(0.9) + log(0.3)) / 2, 0.5),
        expected("clip", NOISE, -log(0.6), 1.0),
    ]


@pytest.mark.usefixtures("project")
def test_a_system_of_whole_clips_has_no_segment_rows():
    disturbances.write(Path("data/robustness/one"), [PLAIN])
    predicted(PLAIN, [[0.5, 0.5], [0.25, 0.75]], segment=None)
    assert sheet() == [expected("clip", PLAIN, (log(2) - log(0.75)) / 2, 1.0)]


@pytest.mark.usefixtures("project")
def test_a_clip_that_lacks_predictions_is_an_error():
    disturbances.write(Path("data/robustness/one"), [PLAIN])
    p = Predictions(["a", "a"], [0, 1], np.full((2, 2), 0.5), SCENES)
    predictions.write(Path("data/robustness/one/none.parquet"), {"test": p})
    with pytest.raises(ValueError, match="2 of 4 segments have no row"):
        sheet()
