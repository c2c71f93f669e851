"""What training a profile is said to cost: sums by hand, and every system counted once."""

import pytest

from bench import training_cost
from bench.training_cost import Timed, shapes_of, systems

BASE = {"inputs": "av", "labels": "none", "head": "early", "fit": {"epochs": 4}}
READ = BASE | {"inputs": {"audio": "ears", "video": "eyes"}}
EYES = {
    "encoder": "timm_image",
    "weights": "random",
    "name": "convnext_atto",
    "model_kwargs": {"depths": [1, 1, 1, 1], "dims": [4, 8, 12, 16], "num_classes": 7},
    "classes": list("abcdefg"),
    "input_size": 32,
}
TREE = {
    "index": {"val_fraction": 0.1},
    "decode": {"sample_rate": 16000, "short_side_px": 64, "jpeg_quality": 90},
    "embed": {"ears": {"encoder": "fbank", "weights": "none"}, "eyes": EYES},
    "pseudo_label": {"events": {"tagger": "none"}, "objects": {"tagger": "eyes"}},
    "import_features": {},
    "bundle": {"av": ["ears", "eyes"]},
    "train": {"one": BASE, "solved": {**BASE, "head": "logistic"}},
    "study": {
        "s": {
            "base": "one",
            "head": "early",
            "inputs": "av",
            "labels": "none",
            "seeds": [1, 2],
            "grid": {"fit": {"epochs": [5, 10]}},
        }
    },
}


def test_a_row_has_the_shape_that_its_encoder_gives_and_objects_the_tagger_s_classes():
    shapes = shapes_of(TREE, (160, 96))
    assert shapes == {"ears": (6, 2, 256), "eyes": (16,), "objects": (7,)}


def test_a_study_trains_a_system_for_each_cell_and_seed():
    named = {name: [b["fit"]["epochs"] for b in blocks] for name, blocks in systems(TREE)}
    assert named == {"train one": [4], "train solved": [4], "study s": [5, 5, 10, 10]}


def test_a_head_is_timed_once_whatever_its_epochs_and_a_solved_one_never(monkeypatch):
    timed, asked = Timed(), []
    monkeypatch.setattr(training_cost, "row_s", lambda *a: asked.append(a) or 0.5)
    shapes = {"ears": (3,), "eyes": (2,)}
    for epochs in (4, 5):
        assert timed({**READ, "fit": {"epochs": epochs}}, shapes) == 0.5
    assert len(asked) == 1
    timed({**READ, "fit": {"lr": 0.1}}, shapes)
    assert len(asked) == 2
    monkeypatch.undo()
    assert Timed()({**READ, "head": "logistic"}, shapes) == 0


def test_the_table_counts_systems_and_epochs_and_ends_with_the_sum(monkeypatch):
    monkeypatch.setattr(training_cost, "row_s", lambda block, *_: float(block["head"] == "early"))
    *_, study, whole = training_cost.rows("toy", TREE, size=(160, 96))
    epoch_s = 8646 * 10 * 0.9  # of a second a row
    assert study == {
        "what": "toy: study s",
        "systems": 4,
        "epochs": 30,
        "longest epoch_s": pytest.approx(epoch_s),
        "core hours": pytest.approx(30 * epoch_s / 3600),
    }
    assert (whole["systems"], whole["epochs"]) == (6, 34)
    assert whole["core hours"] == pytest.approx(34 * epoch_s / 3600)


def test_a_step_of_a_head_is_timed_in_each_of_its_phases():
    shapes = {"audio": (3,), "video": (2,)}
    options = training_cost.Options(epochs=2, batch_size=4)
    for head in ("early", "intermediate"):
        assert training_cost.row_s({"head": head}, shapes, options) > 0
