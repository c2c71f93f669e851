"""avsc results --against: scores of this tree beside those of a revision."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from avsc.artifacts import manifest, metrics, predictions
from avsc.artifacts.predictions import Predictions
from stages import score

SCENES, SECONDS = ("bus", "park"), 2
CLIPS = [f"{scene}-{place}-{k}" for scene in SCENES for place in range(3) for k in range(2)]
LABELS = [
    {
        "clip_id": c,
        "scene_label": c.split("-")[0],
        "city": "oslo",
        "location": c.rsplit("-", 1)[0],
        "split": "test",
    }
    for c in CLIPS
]


def git(*command):
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *who, *command], check=True, capture_output=True)


def predict(sure):
    """Write predictions whose right scene has the probability `sure` in every second."""
    truth = [r["scene_label"] == "park" for r in LABELS for _ in range(SECONDS)]
    right = np.where(truth, sure, 1 - sure)
    own = Predictions(
        clip_id=list(np.repeat(CLIPS, SECONDS)),
        segment=list(range(SECONDS)) * len(CLIPS),
        probs=np.stack([1 - right, right], axis=1),
        scenes=SCENES,
    )
    predictions.write(Path("data/predictions/early.parquet"), {"val": own, "test": own})
    score.main("early")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository whose last commit has scores of `early`, and predictions in DVC's cache."""
    monkeypatch.chdir(tmp_path)
    tree = {"data": "toy", "seed": 1, "decode": {"seconds": SECONDS}}
    tree |= {"train": {"early": {}}, "ensemble": {}, "pretrain": {}}
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    manifest.write(Path("data/manifest/labels_test.csv"), manifest.LABELS, LABELS)
    val = [r | {"split": "val"} for r in LABELS]
    manifest.write(Path("data/manifest/labels_train.csv"), manifest.LABELS, val)
    manifest.write(Path("data/quarantine.csv"), manifest.QUARANTINE, [])
    predict(0.6)
    git("init", "-q")
    dvc("init", "-q")
    dvc("add", "-q", "data/predictions/early.parquet")
    git("add", "-A")
    git("commit", "-qm", "before")


def dvc(*command):
    from dvc.cli import main

    assert main(list(command)) == 0


def row(run, *options):
    done = run("results", "--against", "HEAD", *options)
    assert done.exit_code == 0, done.output
    return [cell.strip() for cell in done.stdout.splitlines()[2].strip("|").split("|")]


@pytest.mark.usefixtures("project")
def test_scores_before_and_now_stand_beside_the_interval_of_their_difference(run):
    predict(0.8)
    name, before, now, difference, interval, *accuracy = row(run)
    assert (name, before, now) == ("early", f"{-np.log(0.6):.4f}", f"{-np.log(0.8):.4f}")
    assert float(difference) == pytest.approx(np.log(0.6 / 0.8), abs=1e-4)
    assert interval == f"{difference} to {difference}"  # every location gains the same
    assert accuracy == ["100.0%", "100.0%"]


@pytest.mark.usefixtures("project")
def test_without_the_predictions_of_the_revision_there_is_no_interval(run):
    predict(0.8)
    for path in Path(".dvc/cache/files").rglob("*"):
        path.unlink() if path.is_file() else None
    assert row(run)[4] == "-"


@pytest.mark.usefixtures("project")
def test_a_system_that_the_revision_lacks_has_dashes_for_it(run):
    tree = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump(tree | {"train": {"late": {}}}))
    metrics.write(Path("metrics/late.json"), {"clip": {"log_loss": 0.5, "accuracy": 0.75}})
    metrics.write_table(Path("metrics/late/scores.csv"), [{"data": "toy"}])
    assert row(run) == ["late (clip)", "-", "0.5000", "-", "-", "-", "75.0%"]


@pytest.mark.usefixtures("project")
def test_output_is_a_file_for_a_pull_request(run):
    done = run("results", "--against", "HEAD", "--output", "comment.md")
    assert (done.exit_code, done.stdout) == (0, "")
    assert Path("comment.md").read_text().startswith("| system | log-loss, HEAD | now |")


@pytest.mark.usefixtures("project")
def test_an_unknown_revision_is_one_line(run):
    done = run("results", "--against", "nowhere")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: git has no metrics of 'nowhere' (fatal: ")
    assert done.stderr.strip().endswith("name a commit, tag or branch")
