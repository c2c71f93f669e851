"""The robustness sheet of the toy project, run by DVC."""

import csv
import json
import re

import pyarrow.parquet as pq
import pytest
from dvc.repo import Repo

pytestmark = pytest.mark.slow

SCORES = ("log_loss_macro", "accuracy_macro")


def sheet(project):
    path = project.root / "metrics/robustness/teacher.csv"
    with path.open(newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def test_the_undisturbed_rows_are_the_scores_of_the_system(reproduced):
    scores = json.loads((reproduced.root / "metrics/teacher.json").read_text())
    plain = {r["protocol"]: r for r in sheet(reproduced) if r["kind"] == "none"}
    assert plain.keys() == {"segment", "clip"}
    for protocol, row in plain.items():
        found = {s.removesuffix("_macro"): float(row[s]) for s in SCORES}
        assert found == scores[protocol]


def test_every_disturbance_has_a_row_for_each_protocol_with_data_set_and_unit(reproduced):
    expected = [
        ("none", "", ""),
        ("missing_audio", "", ""),
        ("shift", "1", "s"),
        ("white_noise", "0", "dB"),
        ("dark", "0.5", "factor"),
    ]
    rows = [(r["kind"], r["strength"], r["unit"], r["protocol"]) for r in sheet(reproduced)]
    assert rows == [(*what, p) for what in expected for p in ("segment", "clip")]
    assert {r["data"] for r in sheet(reproduced)} == {"toy"}


def test_no_label_of_the_test_fold_reaches_what_disturbs_and_predicts(reproduced):
    for stage in Repo(str(reproduced.root)).index.stages:
        deps = {d.def_path for d in stage.deps}
        name = stage.name.split("@")[0]
        if name == "disturb":
            assert not any("labels_t" in d for d in deps)
        if name == "robustness":
            assert "data/manifest/labels_test.csv" not in deps


def test_another_strength_encodes_its_own_clips_and_trains_nothing(toy):
    toy.edit(disturb__ast__white_noise_db=[20, 0])
    ran = toy.repro("score_robustness@teacher")
    rerun = ["disturb@ast", "bundle_disturbed@av", "robustness@teacher", "score_robustness@teacher"]
    assert ran.stages == rerun
    tally = re.search(r"^disturb ast: (\d+) encoded, (\d+) kept, (\d+) taken", ran.output, re.M)
    encoded, *others = map(int, tally.groups())
    assert (encoded, sum(others)) == (6, 6)  # the test fold has 6 clips


def test_a_system_that_takes_sound_alone_has_a_sheet(toy):
    toy.edit(disturb__scalogram={"encoder": "scalogram", "weights": "none", "gain_db": [-20]})
    toy.edit(robustness__audio={"inputs": "scalogram"})
    toy.repro("score_robustness@audio")
    table = pq.read_table(toy.root / "data/robustness/audio/none.parquet")
    before = pq.read_table(toy.root / "data/predictions/audio.parquet")
    test = before.filter([s == "test" for s in before["split"].to_pylist()])
    assert table.equals(test)
    assert (toy.root / "metrics/robustness/audio.csv").is_file()
