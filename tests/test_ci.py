"""The GitHub workflow: its commands exist and run; GitHub's own part cannot be run here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from avsc.artifacts import metrics
from tests.pipeline.project import ROOT

WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
JOBS = WORKFLOW["jobs"]
SCORES = {step["name"]: step["run"] for step in JOBS["scores"]["steps"] if "run" in step}
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def make_targets(text):
    calls = re.findall(r"^\s*make (.*)$", text, re.MULTILINE)
    return {target for call in calls for target in call.split()}


def git(*command):
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *who, *command], check=True, capture_output=True)


def commit_scores(log_loss):
    protocol = {"log_loss": log_loss, "accuracy": 0.5}
    metrics.write(Path("metrics/early.json"), {"segment": protocol, "clip": protocol})
    metrics.write_table(Path("metrics/early/scores.csv"), [{"data": "toy"}])
    git("add", "-A")
    git("commit", "-qm", "scores")


@pytest.fixture
def pull_request(tmp_path, monkeypatch):
    """A merged pull request that improves a score; `gh` records its arguments in gh.txt."""
    root = tmp_path / "project"
    (root / "bin").mkdir(parents=True)
    monkeypatch.chdir(root)
    Path("bin/gh").write_text('#!/bin/sh\necho "$@" > gh.txt\n')
    run = 'exec "$PYTHON" -c "from avsc.cli import app; app()" "$@"'
    Path("bin/avsc").write_text(f"#!/bin/sh\n{run}\n")
    for name in ("gh", "avsc"):
        Path("bin", name).chmod(0o755)
    tree = {"data": "toy", "train": {"early": {}}, "ensemble": {}, "pretrain": {}}
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    git("init", "-qb", "main")
    commit_scores(1.5)
    git("checkout", "-qb", "change")
    commit_scores(1.25)
    git("checkout", "-q", "main")
    git("merge", "-q", "--no-ff", "-m", "merge", "change")
    monkeypatch.setenv("PATH", f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(root / "summary.md"))
    monkeypatch.setenv("URL", "https://example.org/pull/1")


def bash(command):
    subprocess.run(["bash", "-euo", "pipefail", "-c", command], check=True)


@pytest.mark.slow
@pytest.mark.usefixtures("pull_request")
def test_scores_before_and_after_are_posted_under_a_pull_request():
    bash(SCORES["Compare"])
    cells = [c.strip() for c in Path("summary.md").read_text().splitlines()[2].split("|")[1:-1]]
    assert cells == ["early", "1.5000", "1.2500", "-0.2500", "-", "50.0%", "50.0%"]
    bash(SCORES["Comment"])
    words = Path("gh.txt").read_text().split()
    assert words[:3] == ["pr", "comment", "https://example.org/pull/1"]
    assert Path(words[-1]).read_text() == Path("summary.md").read_text()


def test_every_supported_python_is_tested():
    classifiers = re.findall(r"Python :: (3\.\d+)\"", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert classifiers == ["3.11", "3.12", "3.13"]
    assert JOBS["test"]["strategy"]["matrix"]["python"] == classifiers


def test_commands_of_the_readme_and_the_checks_are_run():
    assert [step["run"] for step in JOBS["test"]["steps"] if "run" in step] == [".ci/run"]
    assert os.access(ROOT / ".ci/run", os.X_OK)
    readme = make_targets((ROOT / "README.md").read_text("utf-8").replace("#", "\n"))
    assert {"repro", "test"} <= readme
    assert readme | {"check"} <= make_targets((ROOT / ".ci/run").read_text("utf-8"))


def test_every_make_target_of_the_workflow_exists():
    steps = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    targets = make_targets("\n".join(steps))
    assert {"setup", "check-lock"} <= targets
    assert targets <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_only_the_job_that_comments_may_write():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    may_write = {name for name, job in JOBS.items() if "permissions" in job}
    assert may_write == {"scores"}
    assert JOBS["scores"]["permissions"] == {"contents": "read", "pull-requests": "write"}
