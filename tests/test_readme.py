"""README.md says what is: stages, files, targets, experiments and results."""

import ast
import re
import subprocess
import zipfile
from importlib.util import find_spec

import pytest
import yaml

from avsc.cli.results import of_profile, read_metrics
from avsc.reporting import leaderboard
from avsc.training.options import Options
from tests.pipeline.project import ROOT

README = (ROOT / "README.md").read_text("utf-8")
PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
SKIP = "no scores here or in the last commit; run `make repro` and commit metrics/"


def between(begin, end):
    """Return what the README has between two strings."""
    return README.partition(begin)[2].partition(end)[0]


def tree():
    """Return {path: description} of the README's file tree, whose folders end in a slash."""
    found, folders = {}, []
    for line in between("<!-- tree -->", "<!-- /tree -->").strip().splitlines()[1:-1]:
        name, _, text = line.strip().partition("  ")
        depth = (len(line) - len(line.lstrip())) // 2
        folders[depth:] = [name]
        found["".join(folders)] = text.strip()
    return found


def docstring_line(path):
    doc = ast.get_docstring(ast.parse((ROOT / path).read_text("utf-8")))
    return doc.splitlines()[0]


def results(metrics):
    try:
        found = of_profile(read_metrics(metrics), ROOT)
        return leaderboard.markdown(found)
    except ValueError:
        return None


@pytest.fixture
def committed(tmp_path):
    """Return the results of the last commit, None where there are none."""
    archive = tmp_path / "metrics.zip"
    done = subprocess.run(
        ["git", "archive", "--output", str(archive), "HEAD", "metrics"],
        cwd=ROOT,
        capture_output=True,
    )
    if done.returncode:
        return None
    with zipfile.ZipFile(archive) as found:
        found.extractall(tmp_path)
    return results(tmp_path / "metrics")


def test_the_results_are_those_of_this_tree_or_of_the_last_commit(committed):
    # a rerun on another machine may move the last digits of the former
    expected = {r for r in (results(ROOT / "metrics"), committed) if r is not None}
    if not expected:
        pytest.skip(SKIP)
    assert leaderboard.block(README) in expected, "run `avsc results --update README.md`"


def test_every_stage_of_dvc_yaml_is_in_the_picture_and_no_other():
    stages = set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    picture = between("```mermaid\nflowchart TD\n", "```")
    drawn = set(re.findall(r"^ +(\w+) ", picture, re.MULTILINE))
    drawn |= set(re.findall(r"(\w+)$", picture, re.MULTILINE))
    assert drawn == stages
    assert {s for s in stages if f"`{s}`" not in README} == set()


def test_every_file_of_the_tree_is_there():
    assert len(tree()) > 50
    assert [path for path in tree() if not (ROOT / path).exists()] == []


def test_the_tree_describes_a_module_by_the_first_line_of_its_docstring():
    modules = {path: text for path, text in tree().items() if path.endswith(".py")}
    assert modules == {path: docstring_line(path) for path in modules}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_to_one(page):
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text("utf-8"))
    files = [link for link in links if not link.startswith("https://")]
    assert [f for f in files if not (ROOT / page).parent.joinpath(f).exists()] == []


def test_every_marker_file_that_it_explains_is_there():
    markers = re.findall(r"^\| `(data/[\w./]+)` \|", README, re.MULTILINE)
    assert len(markers) > 5
    assert [m for m in markers if not (ROOT / m).is_file()] == []


def test_every_target_of_make_that_it_names_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^ +|`)make ([a-z]+)", README, re.MULTILINE))
    assert {"repro", "test"} <= named <= targets


def test_the_experiments_that_it_shows_are_of_heads_and_options_that_exist():
    shown = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
    experiments = {name: e for block in shown for name, e in block.get("train", {}).items()}
    assert len(experiments) > 2
    for experiment in experiments.values():
        assert {"inputs", "labels"} <= set(experiment)
        assert find_spec(f"avsc.heads.{experiment['head']}")
        Options(**experiment.get("fit", {}))


def test_the_encoders_that_it_shows_exist():
    shown = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
    entries = [e for block in shown for e in block.get("embed", {}).values()]
    assert entries
    assert [e for e in entries if not find_spec(f"avsc.encoders.{e['encoder']}")] == []
