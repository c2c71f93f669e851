"""Encoders tuned on a made-up set: what the stage reads and writes, alone and in company."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from dvc.repo import Repo
from PIL import Image
from safetensors.torch import load_file

import avsc.heads
from avsc import embedding, finetuning, processes
from avsc.artifacts import manifest, media, pseudo_labels, shard
from avsc.training import loop
from avsc.training.system import System
from stages import finetune
from tests.pipeline.project import ROOT, fresh
from tests.stages import failing

pytestmark = pytest.mark.slow

SECONDS = 2
SCENES = ("bus", "park")
EARS = {
    "encoder": "ast",
    "weights": "random",
    "seed": 1,
    "config": {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_length": 208,
    },
    "classes": ["bell", "horn", "wind"],
}
EYES = {
    "encoder": "timm_image",
    "weights": "random",
    "seed": 1,
    "name": "convnext_atto",
    "model_kwargs": {"depths": [1, 1, 1, 1], "dims": [4, 8, 12, 16]},
    "classes": ["tree", "car"],
    "input_size": 32,
}


TWO = {"audio": EARS, "video": EYES}
NOTHING = {"encoder": "none", "weights": "none"}
FIT = {
    "epochs": 6,
    "batch_size": 16,
    "rows_at_once": 8,
    "lr": 0.005,
    "head_lr": 0.01,
    "warmup": 0.2,
}
BLOCK = {
    **TWO,
    "labels": "none",
    "head": "gated",
    "hparams": {"width": 32, "dropout": 0.0},
    "fit": FIT,
}


def sound(rng, scene):
    """Return a tone under noise: a little higher in a park, whatever else differs."""
    t = np.arange(16000) / 16000
    hz = rng.uniform(400, 700) if scene == "bus" else rng.uniform(800, 1200)
    tone = rng.uniform(0.02, 0.3) * np.sin(2 * np.pi * hz * t)
    return (tone + rng.normal(0, rng.uniform(0.001, 0.05), (2, 16000))).astype(np.float32)


def picture(rng, scene):
    """Return stripes of random colours and widths: upright in a park."""
    colours = rng.integers(0, 256, (8, 3), np.uint8)
    stripes = np.repeat(colours, 6, axis=0)[:, None].repeat(48, axis=1)
    pixels = stripes if scene == "bus" else stripes.swapaxes(0, 1)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG")
    return file.getvalue()


def decoded(scene, seed):
    rng = np.random.default_rng(seed)
    waveform = np.stack([sound(rng, scene) for _ in range(SECONDS)])
    return media.arrays(waveform, [picture(rng, scene) for _ in range(SECONDS)])


def made_up(root, *, train, val):
    """Write decoded clips and their labels; those of the test fold have labels nowhere."""
    rows, clips = [], {"unlabelled": ("k", decoded("bus", 99))}
    for split, n in (("train", train), ("val", val)):
        for i in range(n):
            scene, clip_id = SCENES[i % 2], f"{split}{i}"
            place = {"city": "x", "location": f"x-{i}", "split": split}
            rows.append({"clip_id": clip_id, "scene_label": scene} | place)
            clips[clip_id] = (clip_id, decoded(scene, [i, len(split)]))
    rows.append(rows[0] | {"clip_id": "in quarantine"})
    manifest.write(root / "data/manifest/labels_train.csv", manifest.LABELS, rows)
    shard.write(root / "data/media/a.h5", clips, about={}, quarantined={})


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the code over made-up data, with one entry of `finetune`."""
    project = fresh(tmp_path_factory.mktemp("tuned") / "project")
    made_up(project.root, train=64, val=24)
    tree = yaml.safe_load((project.root / "params.yaml").read_text())
    tree["finetune"] = {"it": BLOCK}
    tree["embed"] |= {
        "ears": EARS | {"weights": "it_audio.safetensors"},
        "eyes": EYES | {"weights": "it_video.safetensors"},
    }
    tree["train"]["tuned"] = {"audio": "ears", "video": "eyes", "labels": "none", "head": "early"}
    (project.root / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
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
    names += [f"metrics/finetune/it.{ending}" for ending in ("json", "csv")]
    return {name: (root / name).read_bytes() for name in names}


def stage(root, *, trace="", **env):
    """Run the stage as DVC does; `trace` is what the process does first."""
    (root / ".trace/start").mkdir(exist_ok=True)
    (root / ".trace/start/sitecustomize.py").write_text(trace)
    paths = [str(root / ".trace/start"), str(root / ".trace")]
    env = {
        **os.environ,
        "AVSC_DEVICE": "cpu",
        "AVSC_PROCESSES": "1",
        "AVSC_TRACE": str(root / ".trace/start"),
        "PYTHONPATH": os.pathsep.join(paths if trace else paths[1:]),
        **env,
    }
    command = [sys.executable, "-m", "stages.finetune", "it"]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def alone(project):
    """What one process writes."""
    done = stage(project.root, AVSC_TRACE=str(project.root / ".trace"))
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
        folds[split] = loop.Fold(x, torch.tensor(scenes))
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


def test_training_lowers_the_loss_and_the_scores_are_those_of_the_best_epoch(alone, project):
    rows = history(alone)
    assert rows[-1]["train_loss"] < 0.7 * rows[0]["train_loss"]
    best = min(rows, key=lambda row: row["val_loss"])
    assert json.loads(alone["metrics/finetune/it.json"]) == {"data": "toy", **best}
    assert not (project.root / ".avsc/finetune/it.safetensors").exists()


@pytest.mark.usefixtures("alone")
def test_an_entry_of_embed_takes_the_tuned_weights_and_they_beat_the_untrained_ones(here):
    tree = yaml.safe_load((here / "params.yaml").read_text())
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
import os, signal, sys

if "stages.finetune" in " ".join(sys.orig_argv):
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
import atexit, sys

if "stages.finetune" in " ".join(sys.orig_argv):
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
    killed = stage(here, trace=KILLER)
    assert killed.returncode == -signal.SIGKILL
    assert not any((here / name).exists() for name in alone)
    resumed = stage(here, trace=COUNTER)
    assert resumed.returncode == 0, resumed.stderr
    assert "epochs [3, 4, 5, 6]" in resumed.stdout
    assert outputs(here) == alone


def test_what_goes_wrong_in_one_of_several_processes_is_one_message(monkeypatch):
    monkeypatch.setenv("AVSC_PROCESSES", "2")
    with pytest.raises(processes.WorkerError) as error:
        processes.run(failing.main, "it")
    assert re.fullmatch(
        "process [01] of 2: ValueError: there is no it, expected one; make it", str(error.value)
    )


@pytest.mark.usefixtures("alone")
def test_every_file_that_the_stage_loads_is_a_dependency_and_no_label_of_the_test_fold(project):
    stages = {s.name: s for s in Repo(str(project.root)).index.stages}
    deps = [d.def_path for d in stages["finetune@it"].deps]
    (loaded,) = [files for name, files in project.loaded().items() if name == "finetune@it"]
    assert "avsc/training/shared_loop.py" in loaded
    told = {"avsc/__init__.py", "stages/__init__.py"}  # docstrings, and how errors are told
    told |= {f"avsc/{room}/__init__.py" for room in ("artifacts", "training")}
    undeclared = {f for f in loaded if not any(f == d or f.startswith(f"{d}/") for d in deps)}
    assert undeclared <= told
    ours = {d for d in deps if d.endswith(".py") and not d.startswith("avsc/heads/_")}
    assert ours <= set(loaded)
    assert "data/manifest/labels_test.csv" not in deps
    outs = {o.def_path for o in stages["finetune@it"].outs}
    for name in ("ears", "eyes"):  # so that DVC tunes, then embeds, then trains
        assert outs & {d.def_path for d in stages[f"embed@{name}"].deps}
    assert "data/embeddings/ears" in {d.def_path for d in stages["train@tuned"].deps}


def tuned(here, **changes):
    """Tune for one epoch."""
    block = BLOCK | changes
    block["fit"] = FIT | {"epochs": 1} | changes.get("fit", {})
    checkpoint = here / ".avsc/finetune/other.safetensors"
    checkpoint.unlink(missing_ok=True)
    return finetuning.tune(block, seed=1, checkpoint=checkpoint, root=here / "data")


def test_a_row_is_a_second_of_a_clip_its_own_picture_its_own_label(here):
    encoders = {m: embedding.create(b, root=here / "data") for m, b in TWO.items()}
    cpu = torch.device("cpu")
    clips = finetuning.Clips(encoders, root=here / "data", device=cpu, threads=2)
    val = clips.rows("val", labels="none")
    assert val.targets.tolist() == [i % 2 for i in range(24) for _ in range(SECONDS)]
    wanted = [(7, 1), (3, 0), (7, 0)]  # clip and second
    for (i, k), row in zip(wanted, val.read(SECONDS * i + k for i, k in wanted), strict=True):
        clip = clips.library.read(f"val{i}", ())
        for m, encoder in encoders.items():
            whole = encoder.prepare(embedding.rows(encoder, clip))
            torch.testing.assert_close(row[m], whole[k])
            assert not torch.equal(whole[k], whole[1 - k])


def test_an_encoder_that_is_frozen_keeps_its_weights_and_the_other_does_not(here):
    done = tuned(here, fit={"freeze": ["audio"]})
    for m, block in TWO.items():
        before = embedding.create(block, root=here / "data").model.state_dict()
        same = [torch.equal(value, done.weights[m][name]) for name, value in before.items()]
        assert all(same) == (m == "audio")
    assert done.classes == {"audio": EARS["classes"], "video": EYES["classes"]}


def test_one_modality_is_tuned_alone_and_the_file_of_the_other_holds_nothing(here, alone):
    text = (here / "params.yaml").read_text()
    tree = yaml.safe_load(text)
    tree["finetune"]["it"] |= {"video": NOTHING, "head": "early", "hparams": {"widths": [8]}}
    (here / "params.yaml").write_text(yaml.safe_dump(tree))
    finetune.main("it")
    written = outputs(here)
    (here / "params.yaml").write_text(text)
    assert load_file(here / "data/weights/it_video.safetensors") == {}
    assert (
        written["data/weights/it_audio.safetensors"] != alone["data/weights/it_audio.safetensors"]
    )


def test_rows_may_be_whole_clips(here):
    audio, video = EARS | {"scope": "clip"}, EYES | {"scope": "clip"}
    done = tuned(here, audio=audio, video=video)
    assert np.isfinite(done.history[0]["val_loss"])
    with pytest.raises(ValueError, match="have scopes clip and segment, so their rows"):
        tuned(here, audio=audio)


def test_a_head_learns_from_pseudo_labels_of_the_training_fold_alone(here):
    labels = manifest.read(here / "data/manifest/labels_train.csv", manifest.LABELS)
    ids = [r["clip_id"] for r in labels if r["split"] == "train" for _ in range(SECONDS)]
    seconds = [k % SECONDS for k in range(len(ids))]
    kinds = {"events": ["bell", "horn"], "objects": ["tree", "car"]}
    found = {k: [[names[0]]] * len(ids) for k, names in kinds.items()}
    pseudo_labels.write(here / "data/pseudo_labels.parquet", ids, seconds, found, kinds)
    small = {"k": 1, "width": 8, "heads": 2, "head_dim": 4}
    done = tuned(here, labels="pseudo_labels.parquet", head="ceoa_sf", hparams=small)
    rows = done.history
    assert rows[0]["train_loss"] > 2 * rows[0]["val_loss"]  # which is of the scenes alone


def test_bfloat16_gives_other_bits_and_much_the_same_loss(here):
    plain = tuned(here).history[0]
    AcceleratorState._reset_state(reset_partial_state=True)
    half = tuned(here, fit={"precision": "bfloat16"}).history[0]
    AcceleratorState._reset_state(reset_partial_state=True)
    assert half["val_loss"] != plain["val_loss"]
    assert half["val_loss"] == pytest.approx(plain["val_loss"], abs=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"audio": {"encoder": "scalogram", "weights": "none"}},
            "audio has encoder: scalogram, which has no weights that could be trained; take a netw",
        ),
        ({"audio": EYES}, "audio has encoder: timm_image, which is of video"),
        ({"audio": NOTHING, "video": NOTHING}, "audio and video both have encoder: none; name the"),
        ({"head": "logistic", "hparams": {}}, "head logistic is solved without gradients"),
        ({"fit": {"freeze": ["audio", "video"]}}, "no encoder is left to train"),
        ({"fit": {"lr": 1e9, "clip_norm": 0.0}}, r"_loss is nan in epoch 0; lower fit.lr"),
    ],
)
def test_what_cannot_be_tuned_is_refused_by_name(here, changes, message):
    with pytest.raises(ValueError, match=message):
        tuned(here, **changes)


@pytest.mark.parametrize("where", ["fit", "hparams", "audio"])
def test_an_argument_that_nobody_takes_is_refused_by_name(here, where):
    with pytest.raises(TypeError, match="sped"):
        tuned(here, **{where: BLOCK[where] | {"sped": 1}})


def test_weights_that_are_not_there_are_named(here):
    with pytest.raises(FileNotFoundError, match=r"no weights at .*absent.safetensors; put"):
        tuned(here, audio=EARS | {"weights": "absent.safetensors"})


def test_a_fold_without_clips_or_without_a_scene_is_refused(here):
    path = here / "data/manifest/labels_train.csv"
    whole = path.read_bytes()
    labels = manifest.read(path, manifest.LABELS)
    for left, message in (
        ([r for r in labels if r["split"] == "train"], "no clip of the val fold is decoded"),
        (
            [r for r in labels if r["split"] == "val" or r["scene_label"] == "bus"],
            r"the training fold has no row of classes \[1\] of 2",
        ),
    ):
        manifest.write(path, manifest.LABELS, left)
        with pytest.raises(ValueError, match=message):
            tuned(here)
    path.write_bytes(whole)


def test_no_process_outlives_the_one_that_started_it_not_even_where_ctrl_c_is_ignored():
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from avsc import processes; from tests.stages import waiting\n"
        "processes.run(waiting.main, 'ready')"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"AVSC_PROCESSES": "2"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert [parent.stdout.readline() for _ in range(2)] == ["ready\n"] * 2
    parent.kill()
    assert parent.communicate(timeout=60)[0] == ""  # once nobody holds the other end


@pytest.mark.parametrize("count", ["0", "many", "-1"])
def test_what_is_no_number_of_processes_is_refused(monkeypatch, count):
    monkeypatch.setenv("AVSC_PROCESSES", count)
    with pytest.raises(ValueError, match=f"AVSC_PROCESSES is '{count}', expected a number from 1"):
        processes.wanted()


def test_a_process_that_a_launcher_has_started_starts_no_others(monkeypatch):
    monkeypatch.setenv("AVSC_PROCESSES", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    called = []
    processes.run(called.append, "it")
    assert called == ["it"]
