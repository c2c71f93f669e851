"""score, compare and fusion on a small project: what their tables say, and that they agree."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from avsc import evaluation
from avsc.artifacts import manifest, predictions, sealed_json
from avsc.artifacts.predictions import Predictions
from avsc.training.strategies.calibration import fit_temperature
from stages import compare, fusion, score, score_study
from tests import params_files

SCENES = ("bus", "park")
SECONDS = 2
LOST = "park-bern-4-1"  # cannot be decoded
TEST = [
    {"clip_id": f"{scene}-{city}-{place}-{i}", "scene_label": scene, "city": city}
    | {"location": f"{city}-{place}", "split": "test"}
    for scene, city, place in (
        ("bus", "oslo", 1),
        ("bus", "bern", 2),
        ("park", "oslo", 3),
        ("park", "bern", 4),
    )
    for i in range(2)
]
VAL = [
    {"clip_id": f"{scene}-val-{i}", "scene_label": scene, "city": "oslo"}
    | {"location": f"oslo-{scene}", "split": "val"}
    for scene in SCENES
    for i in range(6)
]
TRAIN = [VAL[0] | {"clip_id": "bus-train", "split": "train"}]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = {
        "data": "toy",
        "seed": 1,
        "decode": {"seconds": SECONDS},
        "compare": {
            "pair": {"one": "one", "other": "other"},
            "mixed": {"one": "one", "other": "whole"},
        },
        "fusion": {"three": {"fused": "one", "audio": "other", "video": "whole"}},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    manifest.write(Path("data/manifest/labels_train.csv"), manifest.LABELS, TRAIN + VAL)
    manifest.write(Path("data/manifest/labels_test.csv"), manifest.LABELS, TEST)
    lost = [{"clip_id": LOST, "cause": "cut off"}]
    manifest.write(Path("data/quarantine.csv"), manifest.QUARANTINE, lost)
    for seed, name in enumerate(("one", "other", "whole")):
        predict(name, seed, seconds=1 if name == "whole" else SECONDS)
    return tmp_path


def predict(name, seed, *, seconds):
    rng = np.random.default_rng(seed)

    def of(labels):
        clips = [r["clip_id"] for r in labels if r["clip_id"] != LOST for _ in range(seconds)]
        right = rng.beta(3, 2, len(clips))  # more often right than not
        bus = np.array([c.startswith("bus") for c in clips])
        probs = np.where(
            bus[:, None], np.stack([right, 1 - right], 1), np.stack([1 - right, right], 1)
        )
        second = None if seconds == 1 else [i % seconds for i in range(len(clips))]
        return Predictions(clips, second, probs, SCENES)

    splits = {"val": of(VAL), "test": of(TEST)}
    predictions.write(Path(f"data/predictions/{name}.parquet"), splits)


def table(path, **where):
    with Path(path).open(newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    return [r for r in rows if all(r[k] == v for k, v in where.items())]


def probs_of(name, clip_id):
    p = predictions.read(Path(f"data/predictions/{name}.parquet"), "test")
    return p.probs[[c == clip_id for c in p.clip_id]]


@pytest.mark.usefixtures("project")
def test_intervals_hold_the_headline_as_it_stands():
    score.main("one")
    headline = json.loads(Path("metrics/one.json").read_text())
    rows = table("metrics/one/intervals.csv")
    assert len(rows) == 4
    for row in rows:
        value = headline[row["protocol"]][row["metric"].removesuffix("_macro")]
        assert float(row["value"]) == value
        assert float(row["bootstrap_low"]) <= value <= float(row["bootstrap_high"])
        assert float(row["jackknife_low"]) <= value <= float(row["jackknife_high"])
        assert (row["data"], row["locations"], row["resamples"]) == ("toy", "4", "2000")


@pytest.mark.usefixtures("project")
def test_a_clip_in_quarantine_is_uniform_and_wrong_in_its_place():
    score.main("one")
    seconds = probs_of("one", "park-bern-4-0")[:, 1]
    segment = table("metrics/one/places.csv", protocol="segment", location="bern-4")[0]
    assert segment["items"] == "4"
    assert float(segment["log_loss"]) == pytest.approx(
        -np.log([*seconds, 0.5, 0.5]).mean(), abs=5.1e-5
    )
    assert float(segment["accuracy"]) == (seconds > 0.5).sum() / 4
    clip = table("metrics/one/places.csv", protocol="clip", location="bern-4")[0]
    assert float(clip["log_loss"]) == pytest.approx(
        -np.log([seconds.mean(), 0.5]).mean(), abs=5.1e-5
    )


@pytest.mark.usefixtures("project")
def test_a_clip_without_predictions_that_is_not_in_quarantine_is_refused():
    manifest.write(Path("data/quarantine.csv"), manifest.QUARANTINE, [])
    with pytest.raises(ValueError, match=rf"2 of 16 segments .* the first segment 0 of '{LOST}'"):
        score.main("one")


@pytest.mark.usefixtures("project")
def test_every_city_and_location_of_the_test_fold_has_its_row():
    score.main("one")
    places = [(r["city"], r["location"]) for r in table("metrics/one/places.csv", protocol="clip")]
    assert places == [
        ("bern", ""),
        ("bern", "bern-2"),
        ("bern", "bern-4"),
        ("oslo", ""),
        ("oslo", "oslo-1"),
        ("oslo", "oslo-3"),
    ]


@pytest.mark.usefixtures("project")
def test_the_temperature_is_the_validation_folds():
    score.main("one")
    before = table("metrics/one/calibration.csv", protocol="segment", when="before")
    after = table("metrics/one/calibration.csv", protocol="segment", when="after")
    assert {r["temperature"] for r in before} == {"1.0"}
    p = predictions.read(Path("data/predictions/one.parquet"), "val")
    targets = np.array([SCENES.index(c.split("-")[0]) for c in p.clip_id])
    expected = fit_temperature(np.log(p.probs), targets)
    assert 0.1 < expected < 10  # not at the ends of its range
    (temperature,) = {float(r["temperature"]) for r in after}
    assert temperature == pytest.approx(expected, abs=5.1e-5)
    for rows in (before, after):
        assert sum(int(r["items"]) for r in rows) == SECONDS * len(TEST)
        assert len({r["ece"] for r in rows}) == 1


@pytest.mark.usefixtures("project")
def test_a_validation_clip_in_quarantine_has_no_say_in_the_temperature():
    score.main("one")
    first = table("metrics/one/calibration.csv", when="after")[0]["temperature"]
    more = {**VAL[0], "clip_id": "bus-val-lost"}
    manifest.write(Path("data/manifest/labels_train.csv"), manifest.LABELS, [*TRAIN, *VAL, more])
    lost = [{"clip_id": c, "cause": "cut off"} for c in (LOST, "bus-val-lost")]
    manifest.write(Path("data/quarantine.csv"), manifest.QUARANTINE, lost)
    score.main("one")
    assert table("metrics/one/calibration.csv", when="after")[0]["temperature"] == first


@pytest.mark.usefixtures("project")
def test_labels_of_the_test_fold_do_not_move_the_temperature():
    score.main("one")
    first = table("metrics/one/calibration.csv", when="after")[0]["temperature"]
    flipped = [r | {"scene_label": SCENES[r["scene_label"] == "bus"]} for r in TEST]
    manifest.write(Path("data/manifest/labels_test.csv"), manifest.LABELS, flipped)
    score.main("one")
    assert table("metrics/one/calibration.csv", when="after")[0]["temperature"] == first


@pytest.mark.usefixtures("project")
def test_a_system_of_whole_clips_has_tables_of_the_clip_protocol_alone():
    score.main("whole")
    for name in ("intervals", "calibration", "places", "scores"):
        assert {r["protocol"] for r in table(f"metrics/whole/{name}.csv")} == {"clip"}


@pytest.mark.usefixtures("project")
def test_bounds_that_cannot_be_known_are_empty():
    one_place = [r | {"location": f"{r['city']}-{r['scene_label']}"} for r in TEST]
    one_place = [r | {"city": "oslo", "location": f"oslo-{r['scene_label']}"} for r in one_place]
    manifest.write(Path("data/manifest/labels_test.csv"), manifest.LABELS, one_place)
    score.main("one")
    row = table("metrics/one/intervals.csv")[0]
    assert row["value"]
    assert row["bootstrap_low"] == row["jackknife_high"] == ""
    compare.main("pair")
    for row in table("metrics/compare/pair.csv"):
        assert row["difference"]
        assert row["low"] == row["high"] == ""


@pytest.mark.usefixtures("project")
def test_the_bins_of_the_calibration_hold_the_accuracy_of_all_items():
    score.main("one")
    for protocol in ("segment", "clip"):
        (scores,) = table("metrics/one/scores.csv", protocol=protocol)
        for when in ("before", "after"):
            bins = table("metrics/one/calibration.csv", protocol=protocol, when=when)
            right = sum(int(r["items"]) * float(r["accuracy"]) for r in bins)
            expected = int(scores["items"]) * float(scores["accuracy_micro"])
            assert right == pytest.approx(expected, abs=2e-3)


@pytest.mark.usefixtures("project")
def test_a_comparison_is_the_difference_of_the_two_headlines():
    for name in ("one", "other"):
        score.main(name)
    compare.main("pair")
    headlines = [json.loads(Path(f"metrics/{n}.json").read_text()) for n in ("one", "other")]
    rows = table("metrics/compare/pair.csv")
    assert [(r["protocol"], r["metric"]) for r in rows] == [
        (p, m) for p in ("segment", "clip") for m in ("log_loss_macro", "accuracy_macro")
    ]
    assert {(r["data"], r["one"], r["other"]) for r in rows} == {("toy", "one", "other")}
    for row in rows:
        metric = row["metric"].removesuffix("_macro")
        one, other = (h[row["protocol"]][metric] for h in headlines)
        assert float(row["difference"]) == pytest.approx(one - other, abs=1.5e-4)
        assert float(row["low"]) <= float(row["difference"]) <= float(row["high"])
        assert bool(row["p"]) == (row["metric"] == "accuracy_macro")


@pytest.mark.usefixtures("project")
def test_a_comparison_counts_the_clips_that_one_alone_gets_right():
    compare.main("pair")
    right = {}
    for name in ("one", "other"):
        means = {r["clip_id"]: probs_of(name, r["clip_id"]) for r in TEST if r["clip_id"] != LOST}
        right[name] = {
            c: SCENES[p.mean(axis=0).argmax()] == c.split("-")[0] for c, p in means.items()
        }
    b = sum(right["one"][c] and not right["other"][c] for c in right["one"])
    c = sum(right["other"][c] and not right["one"][c] for c in right["one"])
    row = table("metrics/compare/pair.csv", protocol="clip", metric="accuracy_macro")[0]
    assert (int(row["b"]), int(row["c"])) == (b, c)


@pytest.mark.usefixtures("project")
def test_systems_are_compared_under_the_protocols_of_both():
    compare.main("mixed")
    assert {r["protocol"] for r in table("metrics/compare/mixed.csv")} == {"clip"}


@pytest.mark.usefixtures("project")
def test_fusion_counts_the_clips_that_it_lists():
    fusion.main("three")
    clips = table("metrics/fusion/three_clips.csv")
    assert [r["clip_id"] for r in clips] == [r["clip_id"] for r in TEST]
    lost = next(r for r in clips if r["clip_id"] == LOST)
    assert (lost["cell"], lost["fused_right"]) == ("none_right", "0")
    for row in table("metrics/fusion/three.csv", protocol="clip"):
        own = [r for r in clips if r["scene_label"] == row["scene_label"]]
        for cell in ("both_right", "audio_right", "video_right", "none_right"):
            there = [r for r in own if r["cell"] == cell]
            assert int(row[cell]) == len(there)
            assert int(row[f"{cell}_fused"]) == sum(r["fused_right"] == "1" for r in there)


@pytest.mark.parametrize(("values", "sd"), [([0.5], None), ([0.5, 0.9], 0.2 * 2**0.5)])
def test_the_deviation_over_seeds_is_that_of_a_sample_and_of_one_seed_none(values, sd):
    found = [{"clip": SimpleNamespace(**dict.fromkeys(score_study.SCORES, v))} for v in values]
    told = score_study.spread("clip", found)
    assert told["clip_log_loss_macro"] == pytest.approx(sum(values) / len(values))
    assert told["clip_log_loss_macro_sd"] == (sd and pytest.approx(sd))
    assert score_study.spread("segment", found)["segment_accuracy_micro_sd"] is None


def write_study(*, seed=1):
    """Write a study of seed 1 and cells of a seed; return the folder of the cells."""
    study = {
        "base": "one",
        "head": "early",
        "inputs": "ears",
        "labels": "none",
        "seeds": [1],
        "grid": {"fit": {"lr": [1, 2]}},
        "published": {"lr=2": {"protocol": "segment", "accuracy": 77.0}},
    }
    params_files.write(Path(), params_files.read(Path()) | {"study": {"rates": study}})
    out = Path("data/studies/rates")
    out.mkdir(parents=True)
    one = {s: predictions.read(Path("data/predictions/one.parquet"), s) for s in ("val", "test")}
    for key in "ab":
        predictions.write(out / f"{key}.parquet", one)
    cells = [{"cell": f"lr={lr}", "seed": seed, "key": key} for lr, key in ((1, "a"), (2, "b"))]
    sealed_json.write(out / "cells.json", {"cells": cells})
    return out


@pytest.mark.usefixtures("project")
def test_a_grid_stands_beside_published_scores_and_those_of_the_validation_fold():
    out = write_study()
    score_study.main("rates")
    rows = table("metrics/studies/rates.csv")
    assert [(r["cell"], r["published_accuracy"]) for r in rows] == [("lr=1", ""), ("lr=2", "77.0")]
    for split, prefix in (("test", ""), ("val", "val_")):
        found = evaluation.report(out / "a.parquet", split, seconds=SECONDS)["clip"]
        assert float(rows[0][f"{prefix}clip_log_loss_macro"]) == pytest.approx(
            found.log_loss_macro, abs=5.1e-5
        )


@pytest.mark.usefixtures("project")
def test_cells_of_another_seed_are_not_scored():
    write_study(seed=2)
    with pytest.raises(ValueError, match=r"cells\.json lists other cells than the 2 of studies"):
        score_study.main("rates")


@pytest.mark.usefixtures("project")
def test_a_cell_names_no_file_outside_of_its_study():
    out = write_study()
    cells = sealed_json.read(out / "cells.json")["cells"]
    (out / "a.parquet").rename(out.parent / "a.parquet")
    cells[0]["key"] = "../a"
    sealed_json.write(out / "cells.json", {"cells": cells})
    with pytest.raises(ValueError, match=r"cells\.json lists other cells than the 2 of studies"):
        score_study.main("rates")


@pytest.mark.usefixtures("project")
def test_predictions_of_other_scenes_are_not_set_beside_each_other():
    p = predictions.read(Path("data/predictions/other.parquet"), "test")
    turned = Predictions(p.clip_id, p.segment, p.probs, SCENES[::-1])
    predictions.write(Path("data/predictions/other.parquet"), {"test": turned})
    with pytest.raises(ValueError, match=r"other\.parquet and .*one\.parquet differ in scenes"):
        compare.main("pair")


@pytest.mark.usefixtures("project")
def test_clips_of_other_lengths_are_not_set_beside_each_other():
    predict("other", 1, seconds=3)
    paths = {name: Path(f"data/predictions/{name}.parquet") for name in ("one", "other")}
    with pytest.raises(ValueError, match="differ in scenes or seconds"):
        evaluation.together(paths, seconds=None)


@pytest.mark.slow
def test_what_scores_loads_no_torch():
    code = "import sys, stages.{0}; sys.exit('torch' in sys.modules)"
    for stage in ("score", "compare", "fusion"):
        root = Path(__file__).parents[2]
        done = subprocess.run([sys.executable, "-c", code.format(stage)], cwd=root, check=False)
        assert done.returncode == 0, stage
