"""avsc params new: the profile that it writes runs on the data set that it has seen."""

import json
import shutil
import sys
from importlib import import_module
from pathlib import Path

import pytest

from avsc import params
from avsc.datasets import demo
from avsc.params import profile
from tests import params_files

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data set of three scenes, at data/raw/own of the current folder."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "data/raw/own"
    demo.write(
        root,
        seed=1,
        truth=tmp_path / "truth.csv",
        scenes=["bus", "park", "tram"],
        train_locations=3,
        test_locations=1,
        clips_per_location=2,
        seconds=2,
        width_px=64,
        height_px=48,
        fps=5,
        workers=1,
    )
    return root.relative_to(tmp_path)


def test_a_profile_says_what_was_found_and_has_no_fault(run, data):
    done = run("params", "new", data)
    assert done.exit_code == 0, done.stderr
    assert "avsc params use own && dvc repro" in done.stdout
    assert profile.check(Path("params/own")) == []
    text = Path("params/own/params.yaml").read_text()
    assert "#   24 clips of 3 scenes from 12 locations: 12 to train on, 6 to validate, 6 to" in text
    assert "pictures of 64 x 48 px" in text
    tree = params_files.read("params/own")
    assert tree["index"]["root"] == tree["index"]["watch"] == "data/raw/own"
    assert (tree["decode"]["seconds"], tree["decode"]["short_side_px"]) == (2, 48)
    assert (len(tree["train"]), len(tree["ensemble"]), len(tree["embed"])) == (4, 1, 3)


@pytest.mark.slow
def test_the_profile_runs_from_the_index_to_the_score_of_the_ensemble(run, data, monkeypatch):
    run("params", "new", data)
    run("params", "use", "own")
    for name in ("none", "random"):
        (data.parents[1] / "weights").mkdir(exist_ok=True)
        shutil.copy(ROOT / "data/weights" / name, "data/weights")
    p = params_files.read(".")
    stages = ["index", "decode", *(f"embed {name}" for name in p["embed"])]
    stages += [f"bundle {name} embeddings" for name in p["bundle"]]
    stages += [f"train {name}" for name in p["train"]]
    stages += ["ensemble average", "score average", "score gated"]
    for stage in stages:
        script, *arguments = stage.split()
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        import_module(f"stages.{script}").main(*arguments)
    for name in ("average", "gated"):
        scores = json.loads(Path(f"metrics/{name}.json").read_text())
        assert {"segment", "clip"} <= scores.keys()


def test_columns_of_other_names_and_another_fold_are_found(run, data):
    folder = data / "evaluation_setup"
    (data / "meta.csv").unlink(missing_ok=True)
    for path in list(folder.glob("fold1_*.csv")):
        text = path.read_text().replace("filename_audio", "wav").replace("filename_video", "film")
        path.with_name(path.name.replace("fold1", "mine")).write_text(
            text.replace("scene_label", "class")
        )
        path.unlink()
    done = run("params", "new", data, "--name", "other")
    assert done.exit_code == 0, done.stderr
    index = params.load("index", root=Path("params/other"))
    assert index["fold"] == "mine"
    assert index["columns"] == {"audio": "wav", "video": "film", "scene": "class"}


def test_what_is_wrong_with_a_data_set_is_listed_and_nothing_is_written(run, data):
    next((data / "audio").iterdir()).unlink()
    done = run("params", "new", data)
    assert done.exit_code == 1
    assert "file absent" in done.stderr
    assert not Path("params").exists()


def test_a_folder_without_listings_says_what_to_write(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    done = run("params", "new", "films")
    assert done.exit_code == 1
    assert "films/evaluation_setup has no <fold>_train.csv; write one with the col" in done.stderr


def test_a_profile_that_is_there_is_not_written_over(run, data):
    assert run("params", "new", data).exit_code == 0
    before = Path("params/own/params.yaml").read_text()
    done = run("params", "new", data)
    assert done.exit_code == 2
    assert "give another --name" in done.stderr
    assert Path("params/own/params.yaml").read_text() == before
