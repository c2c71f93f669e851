"""A study trains what no earlier run has trained, and ends in the bytes of a run from nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from avsc import experiment
from avsc.artifacts import code_digests, manifest, predictions, pseudo_labels
from avsc.params import ParamsError
from stages import study
from tests.stages import toy_study
from tests.stages.toy_study import CLIPS, STUDY, edited, embeddings, wanted

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVSC_PROCESSES", "1")
    toy_study.write(tmp_path)
    return tmp_path


@pytest.fixture
def trained(monkeypatch):
    """The (head, seed) of every training in this process."""
    found, fit = [], experiment.fit

    def counted(block, data, *, seed):
        found.append((block["head"], seed))
        return fit(block, data, seed=seed)

    monkeypatch.setattr(experiment, "fit", counted)
    return found


def with_rows(*removed, **rows):
    return edited(rows={n: r for n, r in STUDY["rows"].items() if n not in removed} | rows)


def run(asked=STUDY):
    """Run the stage as DVC does, without its output; return the bytes of all files."""
    wanted(Path(), asked)
    shutil.rmtree("data/studies", ignore_errors=True)
    study.main("s")
    return written()


def written():
    return {p.name: p.read_bytes() for p in Path("data/studies/s").iterdir()}


def from_nothing(asked=STUDY):
    shutil.rmtree(".avsc", ignore_errors=True)
    return run(asked)


def test_a_table_has_a_file_of_predictions_for_each_cell_and_seed(trained, capsys):
    files = run()
    index = json.loads(files.pop("cells.json"))["cells"]
    cells = [(row, seed) for row in STUDY["rows"] for seed in STUDY["seeds"]]
    assert [(c["cell"], c["seed"]) for c in index] == cells
    assert {f"{c['key']}.parquet" for c in index} == set(files)
    assert len(trained) == len(files) == len(cells)
    for c in index:
        found = predictions.read(Path(f"data/studies/s/{c['key']}.parquet"), "test")
        assert found.clip_id == [clip for clip in CLIPS["test"] for _ in range(3)]
    told = capsys.readouterr()
    assert told.out == "study s: 8 trained, 0 kept\n"
    assert "s: 0 of 8 cells done, 8 left" in told.err
    assert "s: 8 of 8 cells done, 0 left, last cell 'audio', seed 2, 00:00 to go" in told.err


def test_a_finished_study_trains_nothing_and_gives_the_same_bytes(trained, capsys, monkeypatch):
    before = run()
    trained.clear()
    monkeypatch.setenv("AVSC_PROCESSES", "2")
    assert run() == before
    assert trained == []
    assert capsys.readouterr().out.endswith("study s: 0 trained, 8 kept\n")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (with_rows(gated={"set": {"head": "gated"}}), [("gated", 1), ("gated", 2)]),
        (
            with_rows(late={"set": {"head": "late", "fit": {"lr": 0.02}}}),
            [("late", 1), ("late", 2)],
        ),
        (with_rows("mixed"), []),
        (edited(rows={f"{n}_": row for n, row in reversed(STUDY["rows"].items())}), []),
        (edited(seeds=[2, 3, 1]), [("early", 3), ("early", 3), ("early", 3), ("late", 3)]),
        (with_rows(plain={"set": {"hparams": {"dropout": 0.2}, "fit": {"momentum": 0.0}}}), []),
    ],
    ids=["added row", "changed row", "removed row", "renamed", "seed", "defaults"],
)
def test_an_edit_trains_what_is_new_and_gives_the_bytes_of_a_run_from_nothing(
    trained, asked, expected
):
    run()
    trained.clear()
    found = run(asked)
    assert sorted(trained) == expected
    assert found == from_nothing(asked)


def test_other_arrays_or_labels_train_the_cells_that_read_them(project, trained):
    run()
    trained.clear()
    embeddings(project / "data/embeddings/eyes", seed=2, dim=2)
    found = run()
    assert len(trained) == 6  # all but `audio`
    assert found == from_nothing()
    trained.clear()
    labels = project / "data/manifest/labels_train.csv"
    rows = manifest.read(labels, manifest.LABELS)
    changed = [r | ({"scene_label": "park"} if r["clip_id"] == "t3" else {}) for r in rows]
    manifest.write(labels, manifest.LABELS, changed)
    run()
    assert len(trained) == 8


@pytest.fixture
def code(project, monkeypatch):
    """A copy of the code, whose digests the stage reads."""
    copy = project / "code"
    shutil.copytree(ROOT / "avsc", copy / "avsc", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(study, "Sources", lambda: code_digests.Sources(copy))
    return copy / "avsc"


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("heads/late.py", "class Head", "# a comment\nclass Head", 0),
        ("heads/late.py", '"""', '"""Another docstring. ', 0),
        ("heads/late.py", "class Head", "WIDTH = 3\n\n\nclass Head", 2),
        ("heads/gated.py", "class Head", "WIDTH = 3\n\n\nclass Head", 0),
        ("training/loop.py", "def fit(", "SPEED = 3\n\n\ndef fit(", 8),
    ],
    ids=["comment", "docstring", "head", "another head", "shared"],
)
def test_cells_are_trained_again_when_code_that_trains_them_changes(
    code, trained, path, old, new, expected
):
    before = run()
    trained.clear()
    text = (code / path).read_text()
    assert old in text
    (code / path).write_text(text.replace(old, new, 1))
    after = run()
    assert len(trained) == expected
    assert len(before.items() - after.items()) == (expected and expected + 1)  # and cells.json


@pytest.mark.parametrize("damage", ["cut", "swapped"])
def test_a_kept_cell_that_is_not_what_its_name_says_is_trained_again(trained, damage, caplog):
    before = run()
    trained.clear()
    first, second = sorted(Path(".avsc/data/studies/s").glob("*.parquet"))[:2]
    content = second.read_bytes() if damage == "swapped" else first.read_bytes()[:-9]
    first.unlink()  # the output is a link to it
    first.write_bytes(content)
    assert run() == before
    assert len(trained) == 1
    assert f"made again: {first}" in caplog.text


def test_a_study_that_another_run_of_it_overtakes_ends_with_the_same_bytes(monkeypatch):
    before = from_nothing()
    fit, depth = experiment.fit, []

    def overtaken(*arguments, **more):
        depth.append(1)
        if len(depth) == 3:
            study.main("s")
        return fit(*arguments, **more)

    monkeypatch.setattr(experiment, "fit", overtaken)
    assert from_nothing() == before
    assert len(depth) == 8 + 6  # the second run found two cells


KILLED = """
import os, signal, sys
from avsc.artifacts import predictions
from avsc.params import ParamsError
from stages import study

write, left = predictions.write, int(sys.argv[1])

def killing(*arguments, **more):
    global left
    write(*arguments, **more)
    left -= 1
    if not left:
        os.kill(int(os.environ["STAGE"]), signal.SIGKILL)

predictions.write = killing
os.environ["STAGE"] = str(os.getpid())
study.main("s")
"""


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.parametrize(("processes", "after"), [("1", 1), ("1", 5), ("2", 2)])
def test_a_killed_study_goes_on_with_the_cells_that_are_missing(trained, processes, after):
    wanted(Path())
    env = os.environ | {"AVSC_PROCESSES": processes, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(after)], env=env, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not Path("data/studies/s").exists()
    found = run()
    finished = 8 - len(trained)
    assert finished == after if processes == "1" else finished >= after
    assert found == from_nothing()


@pytest.mark.slow
def test_the_number_of_processes_changes_no_byte(monkeypatch, capfd):
    clips = [c for c in CLIPS["train"] for _ in range(3)]
    classes = {"events": ["horn", "steps"], "objects": ["car", "tree"]}
    labels = {kind: [some[:1]] * len(clips) for kind, some in classes.items()}
    pseudo_labels.write(Path("data/pseudo_labels.parquet"), clips, [0, 1, 2] * 12, labels, classes)
    head = {"head": "ceoa_sf", "hparams": {"k": 1, "width": 8}, "labels": "pseudo_labels.parquet"}
    asked = with_rows(labelled={"set": head}) | {"labels": "pseudo_labels.parquet"}
    before = from_nothing(asked)
    monkeypatch.setenv("AVSC_PROCESSES", "3")
    assert from_nothing(asked) == before
    assert "10 trained" in capfd.readouterr().out


def test_a_cell_that_asks_for_an_unknown_option_is_named_before_anything_is_trained(trained):
    with pytest.raises(
        ParamsError, match=r"rows\.wrong\.set\.fit\.learning_rate: no such key; did"
    ):
        run(with_rows(wrong={"set": {"fit": {"learning_rate": 1}}}))
    assert trained == []


@pytest.mark.slow
@pytest.mark.parametrize("count", ["1", "2"])
def test_a_cell_that_fails_is_named_and_the_finished_ones_are_kept(trained, monkeypatch, count):
    monkeypatch.setenv("AVSC_PROCESSES", count)
    wild = with_rows(wild={"set": {"fit": {"lr": 1e30, "optimizer": "sgd"}}})
    with pytest.raises(ValueError, match=r"training loss is (nan|inf).*lower fit.lr") as told:
        run(wild)
    assert "cell 'wild', seed" in told.value.__notes__[0]
    assert not Path("data/studies/s").exists()
    trained.clear()
    run()
    assert len(trained) < 8
