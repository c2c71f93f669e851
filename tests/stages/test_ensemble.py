from pathlib import Path

import numpy as np
import pytest

from avsc.artifacts import manifest, predictions
from avsc.artifacts.predictions import Predictions
from stages import ensemble
from tests import params_files

SCENES = ("bus", "park", "tram")
CLIPS = [f"c{i}" for i in range(15)]


def probs(seed, *, right):
    """Probabilities of the true scene of clip i, i modulo 3, in `right` of the rows."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(3), len(CLIPS))
    for i in range(len(CLIPS)):
        if rng.random() < right:
            p[i] = np.roll([0.8, 0.1, 0.1], i % 3)
    return p


MEMBERS = ["one", "two", *["none"] * 4]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = {
        "seed": 1,
        "ensemble": {
            "mean": {"members": MEMBERS, "head": "average"},
            "stack": {"members": MEMBERS, "head": "logistic"},
            "calibrated": {
                "members": MEMBERS,
                "head": "logistic",
                "hparams": {"C": 100.0},
                "fit": {"temperature": True},
            },
        },
    }
    params_files.write(tmp_path, params)
    label([SCENES[i % 3] for i in range(len(CLIPS))])
    for seed, name in enumerate(("one", "two")):
        member(name, probs(seed, right=0.7))
    return tmp_path


def labelled(scenes):
    return [
        {"clip_id": c, "scene_label": s, "city": "x", "location": f"x-{s}", "split": "val"}
        for c, s in zip(CLIPS, scenes, strict=True)
    ]


def label(scenes):
    rows = labelled(scenes)
    manifest.write(Path("data/manifest/labels_train.csv"), manifest.LABELS, rows)


def member(name, p, clips=CLIPS, test=None):
    """Write a member's predictions, of the test fold those of the validation fold or others."""
    val = Predictions(list(clips), [0] * len(clips), p, SCENES)
    predictions.write(Path(f"data/predictions/{name}.parquet"), {"val": val, "test": test or val})


def result(project, name, split="val"):
    ensemble.main(name)
    return predictions.read(project / f"data/predictions/{name}.parquet", split).probs


def test_averaging_is_the_mean_of_the_members_probabilities(project):
    expected = (probs(0, right=0.7) + probs(1, right=0.7)) / 2
    np.testing.assert_allclose(result(project, "mean"), expected, atol=1e-6)


def test_a_validation_row_is_predicted_by_a_fit_without_its_part_of_the_fold(project):
    before = result(project, "stack")
    changed = probs(0, right=0.7)
    changed[0] = changed[0][::-1]
    member("one", changed)
    moved = (result(project, "stack") != before).any(axis=1)
    turn = ensemble.turns(labelled([SCENES[i % 3] for i in range(len(CLIPS))]))
    assert not moved[1:][turn[1:] == turn[0]].any()
    assert moved[turn != turn[0]].all()


def test_a_location_is_held_out_as_a_whole_where_its_scene_has_another():
    rows = labelled([SCENES[i % 3] for i in range(len(CLIPS))])
    for i, row in enumerate(rows):
        if row["scene_label"] != "tram":
            row["location"] += f"-{i % 2}"
    turn = ensemble.turns(rows)
    for scene, parts in {"bus": 2, "park": 2, "tram": 5}.items():
        own = [(r["location"], t) for r, t in zip(rows, turn, strict=True) if scene in r.values()]
        assert len({t for _, t in own}) == parts
        assert len(set(own)) == parts


def test_scenes_of_which_there_is_one_clip_are_named():
    rows = labelled([SCENES[i % 3] for i in range(len(CLIPS))])
    first, *others = (row["scene_label"] for row in rows[:3])
    with pytest.raises(ValueError, match=f"one clip of {', '.join([first, *others])}; an ensemble"):
        ensemble.turns(rows[:3])
    with pytest.raises(ValueError, match=f"one clip of {', '.join(others)}; .* index.val_fraction"):
        ensemble.turns(rows[:4])


def test_a_temperature_is_that_of_rows_that_the_fit_has_not_seen(project):
    held_out = result(project, "calibrated")
    targets = np.arange(len(CLIPS)) % 3

    def loss(power):
        p = held_out**power
        return -np.log((p / p.sum(1, keepdims=True))[np.arange(len(p)), targets]).mean()

    assert loss(1) < min(loss(0.9), loss(1.1))
    seen = result(project, "calibrated", "test")  # rows of the test are those of validation here
    assert seen.max(axis=1).mean() < 0.9


def test_stacking_learns_which_member_to_trust(project):
    member("two", probs(5, right=0.0))
    member("one", probs(3, right=1.0))
    assert (result(project, "stack", "test").argmax(1) == np.arange(len(CLIPS)) % 3).all()


def test_the_test_fold_is_predicted_from_the_members_predictions_of_it(project):
    parts = {"one": [[0.6, 0.2, 0.2], [0.1, 0.1, 0.8]], "two": [[0.2, 0.6, 0.2], [0.1, 0.7, 0.2]]}
    for name, rows in parts.items():
        test = Predictions(["x", "y"], [0, 0], np.array(rows), SCENES)
        member(name, probs(0, right=0.7), test=test)
    expected = [[0.4, 0.4, 0.2], [0.1, 0.4, 0.5]]
    np.testing.assert_allclose(result(project, "mean", "test"), expected, atol=1e-6)
    path = project / "data/predictions/mean.parquet"
    assert predictions.read(path, "test").clip_id == ["x", "y"]


def test_labels_of_the_test_fold_change_nothing(project):
    before = result(project, "stack", "test")
    turned = [r | {"split": "test"} for r in labelled([SCENES[(i + 1) % 3] for i in range(15)])]
    manifest.write(Path("data/manifest/labels_test.csv"), manifest.LABELS, turned)
    np.testing.assert_array_equal(result(project, "stack", "test"), before)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("clips", [CLIPS[:-1], CLIPS[::-1]], ids=["fewer", "another order"])
def test_members_over_different_rows_are_refused(clips):
    member("two", probs(1, right=0.7)[: len(clips)], clips)
    with pytest.raises(ValueError, match="two and one do not predict the same rows of val"):
        ensemble.main("mean")
