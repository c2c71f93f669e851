"""avsc params: profiles change hands without losing an edit, and faults are listed at once."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import avsc.cli.params

ROOT = Path(__file__).parents[2]
FILES = ("params.yaml", "studies.yaml")


def write(folder, name, more=""):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(f"# The {name} world: more\ndata: {name}\n{more}")
    (folder / "studies.yaml").write_text(f"study: {{}}  # {name}\n")


def texts(folder):
    return [(folder / name).read_text() for name in FILES]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A project with two profiles, the first one active and not edited."""
    monkeypatch.chdir(tmp_path)
    for name in ("demo", "tau"):
        write(tmp_path / "params" / name, name)
    write(tmp_path, "demo")
    return tmp_path


def test_profiles_are_listed_with_the_active_one(run, here):
    assert run("params", "list").stdout.splitlines() == [
        "* demo         The demo world",
        "  tau          The tau world",
    ]
    assert avsc.cli.params._complete("t") == ["tau"]
    write(here, "own")
    assert "come from none of them" in run("params", "list").stdout
    assert run("params", "use", "tau", "--force").exit_code == 0
    write(here, "tau", "seed: 7\n")
    assert "* tau          The tau world, edited" in run("params", "list").stdout.splitlines()


def test_both_files_of_a_profile_become_the_active_ones(run, here):
    assert run("params", "use", "tau").exit_code == 0
    assert texts(here) == texts(here / "params/tau")
    assert run("params", "use", "demo").exit_code == 0
    assert texts(here) == texts(here / "params/demo")


@pytest.mark.parametrize("file", FILES)
def test_edits_of_the_active_files_are_shown_and_stay(run, here, file):
    run("params", "use", "demo")
    edited = (here / file).read_text() + "# seed: 8\n"
    (here / file).write_text(edited)
    done = run("params", "use", "tau")
    assert done.exit_code == 1
    assert "+# seed: 8" in done.stderr.splitlines()
    assert "avsc params use tau --keep-as mine" in done.stderr
    assert (here / file).read_text() == edited


def test_the_suggested_commands_lose_no_edit(run, here):
    write(here, "demo", "seed: 8\n")
    edited = texts(here)
    assert run("params", "use", "tau", "--keep-as", "mine").exit_code == 0
    assert texts(here / "params/mine") == edited
    assert texts(here) == texts(here / "params/tau")
    write(here, "tau", "seed: 9\n")
    edited = texts(here)
    done = run("params", "use", "mine", "--force")
    assert done.exit_code == 0
    assert "the edited files are in .avsc/replaced/001" in done.stdout
    assert texts(here / ".avsc/replaced/001") == edited


def test_a_profile_that_was_edited_since_it_was_chosen_replaces_the_active_files(run, here):
    run("params", "use", "demo")
    write(here / "params/demo", "demo", "seed: 5\n")
    assert run("params", "use", "demo").exit_code == 0
    assert texts(here) == texts(here / "params/demo")


def test_edits_on_both_sides_both_stay_and_no_copy_over_either_is_suggested(run, here):
    run("params", "use", "demo")
    write(here / "params/demo", "demo", "seed: 5\n")
    write(here, "demo", "seed: 6\n")
    sides = texts(here), texts(here / "params/demo")
    done = run("params", "use", "demo")
    assert done.exit_code == 1
    assert {"-seed: 5", "+seed: 6"} <= set(done.stderr.splitlines())
    assert "params/demo was edited, too" in done.stderr
    assert "cp " not in done.stderr
    assert (texts(here), texts(here / "params/demo")) == sides


@pytest.mark.parametrize("name", ["demo", "../demo", "a/b"])
def test_active_files_are_kept_under_a_new_name_only(run, here, name):
    write(here, "own")
    before = texts(here / "params/demo")
    done = run("params", "use", "tau", "--keep-as", name)
    assert done.exit_code == 2
    assert "expected a new name" in done.stderr
    assert texts(here / "params/demo") == before
    assert "data: own" in texts(here)[0]


def test_absent_active_files_are_made(run, here):
    for file in FILES:
        (here / file).unlink()
    assert run("params", "use", "demo").exit_code == 0
    assert texts(here) == texts(here / "params/demo")


@pytest.mark.usefixtures("here")
def test_an_unknown_profile_is_refused_with_those_there_are(run):
    for command in ("use", "check"):
        done = run("params", command, "../params")
        assert done.exit_code == 2
        assert "no profile '../params'; there are: demo, tau" in done.stderr


def test_where_there_are_no_profiles_is_said(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "run this where params/ is" in run("params", "list").stderr
    assert "run this where params/ is" in run("params", "use", "demo").stderr


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """The shipped profiles, the demo active."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "params", tmp_path / "params")
    for file in FILES:
        shutil.copy(ROOT / "params/demo" / file, tmp_path)
    return tmp_path


@pytest.mark.parametrize("profile", [p.parent.name for p in ROOT.glob("params/*/params.yaml")])
@pytest.mark.usefixtures("shipped")
def test_every_shipped_profile_is_without_fault(run, profile):
    done = run("params", "check", profile)
    assert (done.exit_code, done.stdout) == (0, "params.yaml and studies.yaml: no fault\n")


def test_all_faults_are_listed_at_once_with_file_line_and_key(run, shipped):
    path = shipped / "params.yaml"
    text = path.read_text()
    text = text.replace("seed: 2021\nexecutor", "seed: x\nexecutor")
    text = text.replace(
        "head: intermediate, fit: {epochs: 12,", "head: intermediat, fit: {epoch: 1,"
    )
    path.write_text(text.replace("  gated: {inputs: av, missing", "  gatd: {inputs: av, missing"))
    studies = shipped / "studies.yaml"
    studies.write_text(studies.read_text().replace("{inputs: convnext}", "{inputs: convnxt}", 1))
    done = run("params", "check")
    assert done.exit_code == 1
    lines = path.read_text().splitlines()
    at = {key: 1 + next(i for i, row in enumerate(lines) if row.startswith(key)) for key in (
        "seed", "  intermediate", "  gatd"
    )}  # fmt: skip
    found = done.stdout.splitlines()
    assert f"params.yaml:{at['seed']}: seed: expected a whole number from 0 on, got 'x'" in found
    assert (
        f"params.yaml:{at['  intermediate']}: train.intermediate.fit.epoch: no such key; did you "
        "mean epochs?"
    ) in found
    assert (
        f"params.yaml:{at['  intermediate']}: train.intermediate.head: no head 'intermediat' in "
        "avsc/heads/; did you mean intermediate?"
    ) in found
    assert any(row.startswith(f"params.yaml:{at['  gatd']}: robustness.gatd") for row in found)
    assert any("study.baseline.rows.video.set.inputs: no entry 'convnxt'" in row for row in found)
    assert "faults" in done.stderr


@pytest.mark.usefixtures("shipped")
def test_a_check_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from avsc.params import profile\n"
        "assert profile.check() == []\n"
        "print([m for m in ('torch', 'numpy', 'dvc', 'h5py', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
