"""The recipe that writes score differences under a pull request."""

import os
from pathlib import Path

import pytest
import yaml

from tests.pipeline.project import ROOT
from tests.sharing import features

pytestmark = pytest.mark.slow

RECIPE = yaml.safe_load((ROOT / "docs/recipes/metrics-on-pull-request.yml").read_text("utf-8"))
STEPS = {s["name"]: s["run"] for s in RECIPE["jobs"]["diff"]["steps"] if "run" in s}
STAGE = {"cmd": "true", "metrics": [{"metrics/early.json": {"cache": False}}]}


def scored(project, loss):
    (project.root / "metrics").mkdir(exist_ok=True)
    (project.root / "metrics/early.json").write_text(f'{{"log_loss": {loss}}}\n')
    project.commit()


@pytest.fixture
def merged(tmp_path, monkeypatch):
    """A merge of a pull request that moves a score, where programs of the network are recorded."""
    project = features.repository(tmp_path / "project")
    (project.root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"score": STAGE}}))
    (project.root / "requirements.lock").write_text((ROOT / "requirements.lock").read_text())
    scored(project, 1.5)
    project.run("git", "checkout", "-q", "-b", "change")
    scored(project, 1.25)
    project.run("git", "checkout", "-q", "main")
    project.run("git", "merge", "-q", "--no-ff", "-m", "merge", "change")
    for name in ("gh", "pip"):
        program = project.root / f".trace/{name}"
        program.write_text(f'#!/bin/sh\necho "$@" > {project.root}/.trace/{name}.said\n')
        program.chmod(0o755)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.setenv("URL", "https://example.org/pull/1")
    return project


def ran(project, step):
    path = f"{project.root}/.trace{os.pathsep}$PATH"
    return project.run("bash", "-euo", "pipefail", "-c", f"PATH={path}\n{STEPS[step]}")


def test_it_comments_the_table_of_scores_that_moved(merged, tmp_path):
    ran(merged, "Compare")
    rows = [line.split("|")[1:-1] for line in (tmp_path / "summary.md").read_text().splitlines()]
    cells = [[cell.strip() for cell in row] for row in rows if row]
    assert cells[0] == ["Path", "Metric", "HEAD^1", "HEAD", "Change"]
    assert cells[2] == ["metrics/early.json", "log_loss", "1.5", "1.25", "-0.25"]
    ran(merged, "Comment")
    said = (merged.root / ".trace/gh.said").read_text().split()
    assert said[:3] == ["pr", "comment", "https://example.org/pull/1"]
    assert Path(merged.root / said[-1]).read_text() == (tmp_path / "summary.md").read_text()


def test_it_says_so_where_no_score_moved(merged, tmp_path):
    merged.run("git", "commit", "-q", "--allow-empty", "-m", "nothing")
    ran(merged, "Compare")
    assert (tmp_path / "summary.md").read_text() == "No score differs from the base branch.\n"


def test_it_installs_the_dvc_that_is_locked_and_may_write_comments_alone(merged):
    ran(merged, "Install DVC as it is locked")
    said = (merged.root / ".trace/pip.said").read_text().split()
    assert said[0] == "install"
    assert f"\n{said[1]} \\\n" in (ROOT / "requirements.lock").read_text()
    assert RECIPE["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert True in RECIPE  # "on", which YAML 1.1 takes for a boolean
