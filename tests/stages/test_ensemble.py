from pathlib import Path

import numpy as np
import pytest
import yaml

from avsc.artifacts import manifest, predictions
from avsc.artifacts.predictions import Predictions
from stages import ensemble

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


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = {
        "seed": 1,
        "ensemble": {
            "mean": {"members": ["one", "two", "none"], "head": "average"},
            "stack": {"members": ["one", "two", "none"], "head": "logistic"},
        },
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    label([SCENES[i % 3] for i in range(len(CLIPS))])
    for seed, name in enumerate(("one", "two")):
        member(name, probs(seed, right=0.7))
    return tmp_path


def label(scenes):
    rows = [
        {"clip_id": c, "scene_label": s, "city": "x", "location": "x-1", "split": "val"}
        for c, s in zip(CLIPS, scenes, strict=True)
    ]
    manifest.write(Path("data/manifest/labels_train.csv"), manifest.LABELS, rows)


def member(name, p, clips=CLIPS):
    same = Predictions(list(clips), [0] * len(clips), p, SCENES)
    predictions.write(Path(f"data/predictions/{name}.parquet"), {"val": same, "test": same})


def result(project, name, split="val"):
    ensemble.main(name)
    return predictions.read(project / f"data/predictions/{name}.parquet", split).probs


def test_averaging_is_the_mean_of_the_members_probabilities(project):
    expected = (probs(0, right=0.7) + probs(1, right=0.7)) / 2
    np.testing.assert_allclose(result(project, "mean"), expected, atol=1e-6)


def test_a_validation_row_is_predicted_without_its_own_label(project):
    before = result(project, "stack")
    scenes = [SCENES[i % 3] for i in range(len(CLIPS))]
    scenes[4] = "tram"
    label(scenes)
    after = result(project, "stack")
    np.testing.assert_array_equal(after[4], before[4])
    assert not np.array_equal(after[0], before[0])


def test_stacking_learns_which_member_to_trust(project):
    member("two", probs(5, right=0.0))
    member("one", probs(3, right=1.0))
    assert (result(project, "stack", "test").argmax(1) == np.arange(len(CLIPS)) % 3).all()


@pytest.mark.usefixtures("project")
def test_members_over_different_rows_are_refused():
    member("two", probs(1, right=0.7)[:-1], CLIPS[:-1])
    with pytest.raises(ValueError, match="two and one do not predict the same rows of val"):
        ensemble.main("mean")
