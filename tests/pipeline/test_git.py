"""Git never sees what DVC tracks, whatever became of the run that made it."""

from pathlib import Path

import pytest
import torch

from avsc.artifacts import weights
from tests.pipeline.project import Project, fresh

pytestmark = pytest.mark.slow


@pytest.fixture
def committed(tmp_path) -> Project:
    """The toy project with two embed entries, committed before its first run; one entry fails."""
    project = fresh(tmp_path / "project")
    project.edit(
        pretrain={},
        embed={
            "scalogram": {"encoder": "scalogram", "weights": "none"},
            "broken": {"encoder": "scalogram", "weights": "none", "colour": 1},
        },
    )
    project.commit()
    return project


def tracked(project):
    return project.run("git", "ls-files", "data", "reports").stdout.split()


def test_adding_everything_to_git_after_a_failed_run_adds_no_output(committed):
    before = tracked(committed)
    failed = committed.run("dvc", "repro", "--keep-going", "embed", check=False)
    assert failed.returncode
    assert "embed.broken.colour" in failed.stderr
    assert list((committed.root / "data/embeddings/scalogram").glob("*.h5"))
    committed.commit()
    assert tracked(committed) == before

    committed.edit(embed={"scalogram": {"encoder": "scalogram", "weights": "none"}})
    assert committed.repro("embed").stages == []  # and nothing is "already tracked by SCM"
    committed.commit()
    assert tracked(committed) == before


def test_files_of_dvc_add_can_be_committed(committed):
    root = committed.root
    (root / "data/weights/mine.safetensors").write_bytes(b"weights")
    (root / "data/raw/mine").mkdir(parents=True)
    (root / "data/raw/mine/meta.csv").write_text("filename_audio\n")
    before = set(tracked(committed))
    committed.run("dvc", "add", "data/weights/mine.safetensors", "data/raw/mine")
    committed.commit()
    added = {"data/raw/mine.dvc", "data/weights/mine.safetensors.dvc"}
    assert set(tracked(committed)) - before == added
    assert committed.run("git", "status", "--porcelain").stdout == ""


def test_clone_fetches_weights_placed_by_hand_as_the_error_says(committed, tmp_path):
    path = Path("data/weights/mine.safetensors")
    weights.write(committed.root / path, {"w": torch.ones(2)}, classes=["bus"])
    committed.run("dvc", "add", str(path))
    committed.run("dvc", "remote", "add", "-d", "store", str(tmp_path / "store"))
    committed.run("dvc", "push", str(path))
    committed.commit()
    clone = Project(tmp_path / "clone")
    committed.run("git", "clone", "-q", str(committed.root), str(clone.root))
    with pytest.raises(FileNotFoundError, match="fetch the shared file with `dvc pull ") as error:
        weights.read(clone.root / path)
    clone.run(*str(error.value).split("`")[1].split())
    assert weights.read(clone.root / path)[1] == ["bus"]


def test_dry_run_of_a_fresh_clone_lists_every_stage_with_force(tmp_path):
    project = fresh(tmp_path / "project")
    project.commit()
    stages = project.run("dvc", "stage", "list", "--name-only").stdout.split()
    assert set(project.repro("--dry", "--force").stages) == set(stages)
    assert project.run("git", "status", "--porcelain").stdout == ""
