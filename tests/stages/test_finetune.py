"""Encoders tuned on a made-up set: what the stage reads and writes, alone and in company."""

import csv
import io
import signal

import numpy as np
import pytest
import torch
from dvc.repo import Repo
from safetensors.torch import load_file

import avsc.heads
from avsc import embedding
from avsc.artifacts import manifest, media
from avsc.training import loop
from avsc.training.folds import Fold
from avsc.training.system import System
from stages import finetune
from tests import params_files
from tests.pipeline.project import Project, covered, fresh
from tests.stages.toy_scenes import BLOCK, EARS, EYES, NOTHING, SCENES, SECONDS, TWO, made_up

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the code over made-up data, with one entry of `finetune`."""
    project = fresh(tmp_path_factory.mktemp("tuned") / "project")
    made_up(project.root, train=64, val=24)
    tree = params_files.read(project.root)
    tree["finetune"] = {"it": BLOCK}
    tree["embed"] |= {
        "ears": EARS | {"weights": "it_audio.safetensors"},
        "eyes": EYES | {"weights": "it_video.safetensors"},
    }
    tree["bundle"]["tuned"] = ["ears", "eyes"]
    tree["train"]["tuned"] = {"inputs": "tuned", "labels": "none", "head": "early"}
    params_files.write(project.root, tree)
    return project


@pytest.fixture
def here(project, monkeypatch):
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("AVSC_DEVICE", "cpu")
    monkeypatch.setenv("AVSC_PROCESSES", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a stage
    yield project.root
    torch.set_num_threads(threads)


def outputs(root):
    names = [f"data/weights/it_{m}.safetensors" for m in ("audio", "video")]
    names.append("metrics/finetune/it.csv")
    return {name: (root / name).read_bytes() for name in names}


def stage(root, *, first="", **env):
    """Run the stage as DVC does; `first` is code that its process runs before it."""
    (root / ".trace/stages.py").write_text(first)
    command = ("python", "-m", "stages.finetune", "it")
    return Project(root).run(*command, check=False, AVSC_DEVICE="cpu", **env)


@pytest.fixture(scope="module")
def alone(project):
    """What one process writes."""
    done = stage(project.root)
    assert done.returncode == 0, done.stderr
    return outputs(project.root)


def history(written):
    text = written["metrics/finetune/it.csv"].decode()
    return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(io.StringIO(text))]


def val_loss(blocks, root):
    """Return the validation loss of a head that is trained on what encoders make of the clips."""
    labels = manifest.read(root / "data/manifest/labels_train.csv", manifest.LABELS)
    library = media.Library(root / "data/media")
    folds = {}
    for split in ("train", "val"):
        own = [r for r in labels if r["split"] == split and r["clip_id"] in library.key]
        x = {}
        for m, block in blocks.items():
            encoder = embedding.create(block, root=root / "data")
            rows = [embedding.rows(encoder, library.read(r["clip_id"], ())) for r in own]
            x[m] = torch.from_numpy(encoder(np.concatenate(rows))["embedding"])
        scenes = [SCENES.index(r["scene_label"]) for r in own for _ in range(SECONDS)]
        folds[split] = Fold(x, torch.tensor(scenes))
    dims = {m: tuple(rows.shape[1:]) for m, rows in folds["train"].x.items()}
    torch.manual_seed(1)
    head = avsc.heads.create("early", dims=dims, num_classes=2, widths=[16])
    options = {"epochs": 20, "batch_size": 32, "lr": 0.01}
    rows = loop.fit(
        System(head, dims, standardise=True),
        *folds.values(),
        num_classes=2,
        seed=1,
        options=options,
    )
    return min(row["val_loss"] for row in rows)


def test_training_lowers_the_loss_and_a_finished_run_leaves_no_checkpoint(alone, project):
    rows = history(alone)
    assert rows[-1]["train_loss"] < 0.7 * rows[0]["train_loss"]
    assert not (project.root / ".avsc/finetune/it.safetensors").exists()


@pytest.mark.usefixtures("alone")
def test_an_entry_of_embed_takes_the_tuned_weights_and_they_beat_the_untrained_ones(here):
    tree = params_files.read(here)
    tuned = {"audio": tree["embed"]["ears"], "video": tree["embed"]["eyes"]}
    assert val_loss(tuned, here) < 0.6 * val_loss(TWO, here)


def test_two_processes_give_what_one_gives(alone, project):
    done = stage(project.root, AVSC_PROCESSES="2")
    assert done.returncode == 0, done.stderr
    together = outputs(project.root)
    for one, two in zip(history(alone), history(together), strict=True):
        assert two == pytest.approx(one, abs=1e-4)
    assert alone.keys() == together.keys()
    for m in ("audio", "video"):
        weights = load_file(project.root / f"data/weights/it_{m}.safetensors")
        (project.root / "one.safetensors").write_bytes(alone[f"data/weights/it_{m}.safetensors"])
        for name, value in load_file(project.root / "one.safetensors").items():
            torch.testing.assert_close(weights[name], value, atol=1e-4, rtol=1e-3)


KILLER = """
import os, signal

import avsc.artifacts.checkpoints as checkpoints

write, written = checkpoints.write, []

def killing(*args, **more):
    write(*args, **more)
    written.append(args)
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

checkpoints.write = killing
"""

COUNTER = """
import atexit

import avsc.artifacts.checkpoints as checkpoints

write, epochs = checkpoints.write, []

def counting(path, state, history, **more):
    write(path, state, history, **more)
    epochs.append(len(history))

checkpoints.write = counting
atexit.register(lambda: print("epochs", epochs))
"""


def test_a_killed_run_goes_on_after_its_last_epoch_and_gives_the_same_bytes(alone, here):
    for name in alone:
        (here / name).unlink()
    killed = stage(here, first=KILLER)
    assert killed.returncode == -signal.SIGKILL
    assert not any((here / name).exists() for name in alone)
    resumed = stage(here, first=COUNTER)
    assert resumed.returncode == 0, resumed.stderr
    assert "epochs [3, 4, 5, 6]" in resumed.stdout
    assert outputs(here) == alone


@pytest.mark.usefixtures("alone")
def test_the_keys_of_code_yaml_cover_every_loaded_file_and_no_test_label_is_read(project):
    stages = {s.name: s for s in Repo(str(project.root)).index.stages}
    deps = [d.def_path for d in stages["finetune@it"].deps]
    (loaded,) = [files for name, files in project.loaded().items() if name == "finetune@it"]
    assert "avsc/training/shared_loop.py" in loaded
    assert set(loaded) <= covered(project, stages["finetune@it"])
    assert "data/manifest/labels_test.csv" not in deps
    outs = {o.def_path for o in stages["finetune@it"].outs}
    for name in ("ears", "eyes"):  # so that DVC tunes, then embeds, then trains
        assert outs & {d.def_path for d in stages[f"embed@{name}"].deps}
    bundle = {d.def_path for d in stages["bundle@tuned"].deps}
    assert {"data/embeddings/ears", "data/embeddings/eyes"} <= bundle
    assert "data/embeddings/tuned" in {d.def_path for d in stages["train@tuned"].deps}


def test_one_modality_is_tuned_alone_and_the_file_of_the_other_holds_nothing(here, alone):
    text = (here / "params.yaml").read_text()
    tree = params_files.read(here)
    tree["finetune"]["it"] |= {"video": NOTHING, "head": "early", "hparams": {"widths": [8]}}
    params_files.write(here, tree)
    finetune.main("it")
    written = outputs(here)
    (here / "params.yaml").write_text(text)
    assert load_file(here / "data/weights/it_video.safetensors") == {}
    assert (
        written["data/weights/it_audio.safetensors"] != alone["data/weights/it_audio.safetensors"]
    )
