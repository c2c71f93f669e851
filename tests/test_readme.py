"""README.md and the pages of docs/: size, links, commands, stages, examples and results."""

import re
import subprocess
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer.main
import yaml

from avsc.cli import app
from avsc.cli.results import of_profile, read_metrics
from avsc.reporting import leaderboard
from avsc.training.options import Options
from tests.pipeline.project import ROOT

README = (ROOT / "README.md").read_text("utf-8")
PIPELINE = (ROOT / "docs/pipeline.md").read_text("utf-8")
HISTORY = {"docs/decisions.md", "docs/log.md", "CHANGELOG.md"}  # may name what is gone
PAGES = sorted(
    str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
)
CURRENT = [page for page in PAGES if page not in HISTORY]
README_BYTES_MAX = 10_240
PICTURE_BYTES_MAX = 200_000
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
SKIP = "no scores here or in the last commit; run `make repro` and commit metrics/"


def read(page):
    return (ROOT / page).read_text("utf-8")


def commands(text, program):
    """Return the calls of a program in indented blocks and in backticks, without comments."""
    blocks = re.findall(rf"^ {{4,}}(?:\w+=\S+ )*({program} .*)$", text, re.MULTILINE)
    inline = re.findall(rf"`(?:\w+=\S+ )*({program} [^`]+)`", text)
    calls = [part for call in blocks + inline for part in re.split(r"\s#|&&|;", call)]
    return [call.strip() for call in calls if call.strip().startswith(f"{program} ")]


def unknown(call):
    """Return the first word of a call of avsc that is no subcommand or option, else None."""
    command = typer.main.get_command(app)
    for word in call.split()[1:]:
        subcommands = getattr(command, "commands", {})
        if subcommands and not word.startswith("-"):
            if word not in subcommands:
                return word
            command = subcommands[word]
        elif word.startswith("--") and word != "--help":
            options = {o for p in command.params for o in [*p.opts, *p.secondary_opts]}
            if word not in options:
                return word
    return None


def anchors(text):
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def yaml_blocks(text):
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


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


def test_results_in_readme_are_those_of_this_tree_or_of_the_last_commit(committed):
    # a rerun on another machine may change the last digits of the former
    expected = {r for r in (results(ROOT / "metrics"), committed) if r is not None}
    if not expected:
        pytest.skip(SKIP)
    assert leaderboard.block(README) in expected, "run `avsc results --update README.md`"


def test_readme_is_one_page():
    assert len(README.encode()) <= README_BYTES_MAX


def test_pictures_of_the_docs_are_small():
    pictures = list((ROOT / "docs").glob("*.png"))
    assert pictures
    assert [p.name for p in pictures if p.stat().st_size > PICTURE_BYTES_MAX] == []


def test_index_lists_every_page_of_docs():
    listed = set(re.findall(r"^\| \[[\w.-]+\]\(([\w.-]+)\)", read("docs/README.md"), re.MULTILINE))
    assert listed == {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}


def test_every_stage_of_dvc_yaml_is_in_the_picture_and_no_other():
    picture = PIPELINE.partition("```mermaid\nflowchart TD\n")[2].partition("```")[0]
    drawn = set(re.findall(r"^ +(\w+) ", picture, re.MULTILINE))
    drawn |= set(re.findall(r"(\w+)$", picture, re.MULTILINE))
    assert drawn == set(STAGES)


def test_every_stage_of_dvc_yaml_is_in_the_table_and_no_other():
    first = re.findall(r"^\| (`[^|]+) \|", PIPELINE.partition("\n## ")[0], re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(first))) == set(STAGES)


def test_every_stage_in_the_readme_picture_exists():
    picture = README.partition("```mermaid\nflowchart LR\n")[2].partition("```")[0]
    drawn = set(re.findall(r"\w+", re.sub(r"\[.*?\]", "", picture))) - {"media"}
    assert drawn
    assert drawn <= set(STAGES)


def test_every_folder_of_the_tree_exists():
    tree = README.partition("## Folders")[2].partition("```\n")[2].partition("```")[0]
    paths = [line.split()[0] for line in tree.splitlines()]
    assert len(paths) == 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(page):
    folder = (ROOT / page).parent
    for link in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = folder / path if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text("utf-8")), link


@pytest.mark.parametrize("page", CURRENT)
def test_every_avsc_command_and_option_exists(page):
    calls = commands(read(page), "avsc")
    assert [call for call in calls if unknown(call)] == []


def test_commands_that_do_not_exist_are_found():
    calls = commands("    avsc guess a.mp4  # no\n\nor `avsc predict --fast x`", "avsc")
    assert [unknown(call) for call in calls] == ["guess", "--fast"]


@pytest.mark.parametrize("page", CURRENT)
def test_every_make_target_exists(page):
    named = {word for call in commands(read(page), "make") for word in call.split()[1:]}
    assert {word for word in named if "=" not in word} <= TARGETS


@pytest.mark.parametrize("page", CURRENT)
def test_every_stage_in_a_dvc_repro_command_exists(page):
    words = {w for call in commands(read(page), "dvc repro") for w in call.split()[2:]}
    named = {w.partition("@")[0] for w in words if re.fullmatch(r"[a-z_]+(@\w+)?", w)}
    assert named <= set(STAGES)


@pytest.mark.parametrize("page", CURRENT)
def test_every_python_module_in_a_command_exists(page):
    modules = re.findall(r"python -m ((?:bench|avsc|stages)[\w.]*)", read(page))
    assert [name for name in modules if not find_spec(name)] == []


def test_readme_counts_the_heads():
    heads = list((ROOT / "avsc/heads").glob("[a-z]*.py"))
    assert f"| {len(heads)} heads," in README


def test_readme_shows_both_commands():
    calls = commands(README, "make")
    assert {"make repro", "make test"} <= set(calls)


def test_every_placeholder_file_that_is_explained_exists():
    named = re.findall(r"^\| `(data/[\w./]+)` \|", read("docs/experiments.md"), re.MULTILINE)
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_experiments_in_examples_have_heads_and_options_that_exist():
    blocks = [block for page in CURRENT for block in yaml_blocks(read(page))]
    experiments = [e for block in blocks for e in (block.get("train") or {}).values()]
    assert len(experiments) > 4
    for experiment in experiments:
        assert {"inputs", "labels"} <= set(experiment)
        assert find_spec(f"avsc.heads.{experiment['head']}")
        Options(**experiment.get("fit", {}))


def test_encoders_in_examples_exist():
    blocks = [block for page in CURRENT for block in yaml_blocks(read(page))]
    entries = [e for block in blocks for e in (block.get("embed") or {}).values()]
    assert len(entries) > 4
    assert [e for e in entries if not find_spec(f"avsc.encoders.{e['encoder']}")] == []


def test_encoders_page_lists_every_encoder():
    table = re.findall(r"^\| (`[^|]+) \|", read("docs/encoders.md"), re.MULTILINE)
    names = {p.stem for p in (ROOT / "avsc/encoders").glob("[a-z]*.py")}
    assert set(re.findall(r"`(\w+)`", " ".join(table))) == names


def test_weights_of_the_profiles_are_among_the_third_party_licences():
    profiles = [path.read_text("utf-8") for path in ROOT.glob("params/*/params.yaml")]
    blocks = [b for text in profiles for b in yaml.safe_load(text)["embed"].values()]
    names = {b["name"] for b in blocks if b["weights"] == "pretrained"}
    assert names
    assert [name for name in names if f"[{name}]" not in read("docs/third_party.md")] == []


def test_licence_and_citation_name_the_licence_of_the_package():
    project = read("pyproject.toml")
    citation = yaml.safe_load(read("CITATION.cff"))
    assert Path(ROOT / "LICENSE").read_text("utf-8").startswith("MIT License\n")
    assert 'license = "MIT"' in project
    assert citation["license"] == "MIT"
    assert f'version = "{citation["version"]}"' in project
