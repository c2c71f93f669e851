"""What DVC reruns and what is encoded again, on a toy copy of the project."""

import csv
import shutil

import numpy as np
import pytest
import soundfile
from dvc.repo import Repo

from avsc.threads import cores
from tests.pipeline.project import ROOT, Project, covered, fresh

pytestmark = pytest.mark.slow

ENCODERS = {"decode", "embed ast", "embed convnext", "embed scalogram"}
WITHOUT_EFFECT_ON_RESULTS = {"avsc/executors/local.py"}  # it decides where shards are made


def script_of(stage):
    """Return what a stage runs, such as train@audio, as the trace of loaded files is called."""
    _, _, module, *arguments = stage.cmd.split()
    return "@".join([module.removeprefix("stages."), *arguments])


def test_the_first_run_runs_every_stage_and_encodes_every_clip_once(reproduced):
    stages = {script_of(s) for s in Repo(str(reproduced.root)).index.stages}
    lock = reproduced.lock()
    assert "data/predictions/fused.parquet" in lock
    assert {p.split("/")[-1] for p in lock if p.startswith("data/embeddings")} == {
        "ast",
        "av",
        "convnext",
        "scalogram",
    }
    assert stages == set(reproduced.loaded())


def test_a_second_run_runs_nothing(reproduced):
    ran = reproduced.repro()
    assert ran.stages == []
    assert "up to date" in ran.output


def test_a_stage_loads_only_code_that_its_keys_of_code_yaml_cover(reproduced):
    loaded = reproduced.loaded()
    for stage in Repo(str(reproduced.root)).index.stages:
        if stage.name == "code":
            continue
        ours = set(loaded[script_of(stage)])
        uncovered = ours - covered(reproduced, stage) - WITHOUT_EFFECT_ON_RESULTS
        assert len(ours) > 3
        assert not uncovered, f"{stage.name} loads {sorted(uncovered)}, which its keys do not cover"


def test_dvc_yaml_lists_no_python_file():
    lines = (ROOT / "dvc.yaml").read_text().splitlines()
    assert [line for line in lines if line.strip(" -").endswith(".py")] == []


def test_every_data_dependency_is_exactly_an_output_or_a_file_in_git(reproduced):
    """Another dependency fails silently under `dvc repro --allow-missing`."""
    stages = Repo(str(reproduced.root)).index.stages
    outs = {o.def_path for s in stages for o in s.outs}
    tracked = set(reproduced.run("git", "ls-files").stdout.split())
    for stage in stages:
        for dep in (d.def_path for d in stage.deps if d.def_path.startswith("data/")):
            assert dep in outs | tracked, f"{stage.name} depends on {dep}"


def test_extraction_depends_on_no_label_and_training_on_no_test_label(reproduced):
    for stage in Repo(str(reproduced.root)).index.stages:
        name, deps = stage.name.split("@")[0], {d.def_path for d in stage.deps}
        if name in ("decode", "embed", "pretrain", "pseudo_label"):
            assert not any("labels_t" in d for d in deps)
        if name == "train":
            assert "data/manifest/labels_test.csv" not in deps


def test_training_works_where_the_labels_of_the_test_fold_are_gone(toy):
    (toy.root / "data/manifest/labels_test.csv").unlink()
    before = (toy.root / "data/predictions/fused.parquet").read_bytes()
    (toy.root / "data/predictions/fused.parquet").unlink()
    toy.run("python", "-m", "stages.train", "fused")
    assert (toy.root / "data/predictions/fused.parquet").read_bytes() == before


def test_two_runs_from_nothing_give_the_same_bytes(reproduced, tmp_path, monkeypatch):
    monkeypatch.setenv("AVSC_CORES", "1" if cores() > 1 else "2")
    again = fresh(tmp_path / "again")
    again.repro()
    assert again.lock() == reproduced.lock()


def test_a_hyperparameter_of_a_head_reruns_its_training_and_score(toy):
    toy.edit(train__fused__fit__epochs=1)
    ran = toy.repro()
    assert ran.stages == ["train@fused", "score@fused", "report"]


def test_a_parameter_of_an_encoder_reruns_its_embed_and_what_uses_it_and_back_runs_nothing(toy):
    before = toy.lock()
    toy.edit(embed__scalogram__eps=0.001)
    ran = toy.repro()
    assert ran.stages == [
        "embed@scalogram",
        "train@audio",
        "ensemble@average",
        "score@audio",
        "score_ensemble@average",
        "compare@average_teacher",
        "fusion@average",
        "report",
    ]
    assert ran.encoded == {"embed scalogram": 24}
    toy.edit(embed__scalogram__eps=None)
    path = toy.root / "params.yaml"
    path.write_text(path.read_text().replace("    eps: null\n", ""))
    back = toy.repro()
    assert back.stages == []
    assert toy.lock() == before


def append(project, path, text):
    with (project.root / path).open("a") as f:
        f.write(text)


def test_comments_docstrings_and_new_plug_ins_rerun_only_code(toy):
    for module in (
        "params/fields.py",
        "artifacts/whole.py",
        "encoders/scalogram.py",
        "heads/early.py",
    ):
        append(toy, f"avsc/{module}", "# a comment\n")
        path = toy.root / "avsc" / module
        path.write_text(path.read_text().replace('"""', '"""Reworded. ', 1))
    shutil.copy(toy.root / "avsc/heads/early.py", toy.root / "avsc/heads/another.py")
    shutil.copy(toy.root / "avsc/encoders/mfcc.py", toy.root / "avsc/encoders/another.py")
    assert toy.repro().stages == ["code"]
    assert toy.run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."
    toy.commit()
    (toy.root / "avsc/heads/another.py").unlink()
    assert toy.repro().stages == ["code"]


def test_a_changed_head_reruns_its_experiments_and_studies_alone(toy):
    append(toy, "avsc/heads/late.py", "CHANGED = 1\n")
    assert toy.repro().stages == ["code", "study@heads", "score_study@heads"]
    append(toy, "avsc/heads/intermediate.py", "CHANGED = 1\n")
    assert toy.repro().stages == ["code", "train@fused"]
    diff = toy.run("dvc", "params", "diff").stdout
    assert "study.heads.late" in diff
    assert "heads.intermediate" in diff
    assert toy.run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."
    toy.run("git", "reset", "-q", "--hard")
    assert toy.repro().stages == []


def test_a_changed_head_reruns_what_reads_its_model(toy):
    append(toy, "avsc/heads/ceoa_sf.py", "CHANGED = 1\n")
    assert toy.repro().stages == ["code", "train@teacher", "map@teacher", "robustness@teacher"]


def test_a_new_experiment_trains_alone(toy):
    toy.edit(
        train__smooth={
            "inputs": "av",
            "labels": "none",
            "head": "early",
            "fit": {"epochs": 1, "label_smoothing": 0.1},
        }
    )
    assert toy.repro().stages == ["train@smooth", "score@smooth", "report"]


def test_a_new_row_of_a_study_trains_alone(toy):
    toy.edit(study__heads__rows__average={"set": {"head": "late", "hparams": {"rule": "average"}}})
    ran = toy.repro()
    assert ran.stages == ["code", "study@heads", "score_study@heads", "report"]
    assert "study heads: 2 trained, 4 kept" in ran.output


def test_a_changed_shared_module_reruns_what_imports_it(toy):
    append(toy, "avsc/scoring/places.py", "CHANGED = 1\n")
    scores = [f"score@{name}" for name in ("audio", "fused", "teacher")]
    assert sorted(toy.repro().stages) == ["code", *scores, "score_ensemble@average"]


def test_changed_code_of_an_encoder_without_a_new_version_encodes_nothing(toy):
    append(toy, "avsc/encoders/scalogram.py", "CHANGED = 1\n")
    ran = toy.repro()
    assert ran.stages == ["code", "embed@scalogram"]
    assert ran.encoded == {"embed scalogram": 0}


def table(path):
    with path.open(newline="") as f:
        return list(csv.DictReader(f, delimiter="\t"))


def rewrite(path, rows):
    path.unlink()
    with path.open("w", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def moved(reproduced, tmp_path_factory) -> Project:
    """The toy project over a data set of the user's own: the demo's files, without the stage."""
    toy = reproduced.copy(tmp_path_factory.mktemp("own") / "project")
    shutil.copytree(toy.root / "data/raw/demo", toy.root / "data/raw/own")
    toy.edit(synthesize={}, index__root="data/raw/own", index__watch="data/raw/own")
    toy.run("git", "rm", "-q", "--cached", "dvc.lock")
    with (toy.root / ".gitignore").open("a") as f:
        f.write("/data/raw/own\n")
    ran = toy.repro()
    assert sum(ran.encoded.values()) == 0  # the same clips under another root
    toy.commit()
    return toy


@pytest.fixture
def own(moved, tmp_path) -> Project:
    return moved.copy(tmp_path / "own")


def train_clips(project):
    return [
        r["filename_audio"]
        for r in table(project.root / "data/raw/own/evaluation_setup/fold1_train.csv")
    ]


def test_a_changed_clip_alone_is_encoded_again(own):
    clip_id = train_clips(own)[4].removeprefix("audio/").removesuffix(".wav")
    path = own.root / f"data/raw/own/audio/{clip_id}.wav"
    samples, rate = soundfile.read(path, always_2d=True)
    path.unlink()
    soundfile.write(path, samples[::-1], rate, subtype="PCM_24")
    ran = own.repro("embed")
    assert ran.encoded == dict.fromkeys(ENCODERS, 1)


def test_an_added_and_a_removed_clip_encode_only_the_added_one(own):
    root = own.root / "data/raw/own"
    old = train_clips(own)[0].removeprefix("audio/").removesuffix(".wav")
    new = old.rsplit("-", 1)[0] + "-49999"
    for folder, ending in (("audio", "wav"), ("video", "mp4")):
        shutil.copy(
            root / f"{folder}/{train_clips(own)[1].split('/')[1][:-4]}.{ending}",
            root / f"{folder}/{new}.{ending}",
        )
    for name in ("meta.csv", "evaluation_setup/fold1_train.csv"):
        rows = table(root / name)
        added = {k: v.replace(old, new) for k, v in rows[0].items()}
        rewrite(root / name, [*rows[1:], added])
    samples, rate = soundfile.read(root / f"audio/{new}.wav")
    soundfile.write(root / f"audio/{new}.wav", np.roll(samples, 7, axis=0), rate, subtype="PCM_24")
    ran = own.repro("embed")
    assert ran.encoded == dict.fromkeys(ENCODERS, 1)
    media = (own.root / "data/manifest/media.csv").read_text()
    assert new in media
    assert f"{old}," not in media


def test_a_corrected_label_encodes_nothing(own):
    for name in ("meta.csv", "evaluation_setup/fold1_train.csv"):
        rows = table(own.root / "data/raw/own" / name)
        place = "-".join(rows[0]["filename_audio"].split("-")[:3])
        for row in rows:
            if row["filename_audio"].startswith(place):
                row["scene_label"] = "tram" if row["scene_label"] == "bus" else "bus"
        rewrite(own.root / "data/raw/own" / name, rows)
    ran = own.repro("embed", "train@audio", "train@fused")
    assert sum(ran.encoded.values()) == 0
    assert {"train@audio", "train@fused"} <= set(ran.stages)
    assert not {s for s in ran.stages if s.startswith(("decode", "embed"))}


def test_a_killed_extraction_resumes(toy):
    toy.edit(embed__scalogram__eps=0.01)
    (toy.root / ".trace/stages.py").write_text(KILLER)
    assert toy.run("dvc", "repro", "embed@scalogram", check=False).returncode != 0
    (toy.root / ".trace/stages.py").unlink()
    ran = toy.repro("embed@scalogram")
    assert 0 < ran.encoded["embed scalogram"] < 24
    assert "resumed, 0 quarantined" in ran.output


KILLER = """
import os, signal

import avsc.artifacts.whole as whole

write, written = whole.write, []

def killing(path, *args, **more):
    write(path, *args, **more)
    written.append(path)
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

whole.write = killing
"""


def test_a_study_takes_its_cells_from_the_earlier_output(toy):
    shutil.rmtree(toy.root / ".avsc")
    rows = {"early": {}, "gated": {"set": {"head": "gated"}}}
    toy.edit(study__heads__rows=rows)
    assert "study heads: 2 trained, 2 kept" in toy.repro("study@heads").output


def test_a_clone_pulls_from_a_remote_and_runs_nothing(toy, tmp_path):
    toy.run("dvc", "remote", "add", "-d", "store", str(tmp_path / "store"))
    toy.run("dvc", "push", "-q")
    toy.commit()
    clone = Project(tmp_path / "clone")
    toy.run("git", "clone", "-q", str(toy.root), str(clone.root))
    (clone.root / ".trace").mkdir()
    clone.run("dvc", "pull", "-q")
    ran = clone.repro()
    assert ran.stages == []


def test_the_raw_media_are_not_needed_to_train(toy, tmp_path):
    toy.run("dvc", "remote", "add", "-d", "store", str(tmp_path / "store"))
    toy.run("dvc", "push", "-q")
    toy.commit()
    clone = Project(tmp_path / "clone")
    toy.run("git", "clone", "-q", str(toy.root), str(clone.root))
    (clone.root / ".trace").mkdir()
    clone.edit(train__audio__fit__epochs=1)
    ran = clone.repro("--pull", "--allow-missing", "score@audio")
    assert ran.stages == ["train@audio", "score@audio"]
    assert not (clone.root / "data/media").exists()
    assert not (clone.root / "data/raw/demo").exists()
