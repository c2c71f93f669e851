"""Remedies that heal: each error of a reader, what it tells to do, and a good file in the end.

Files are damaged where they lie: DVC's cache has hard links of them, and is damaged as well.
"""

import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from avsc.artifacts import (
    checkpoints,
    disturbances,
    embeddings,
    manifest,
    models,
    predictions,
    pseudo_labels,
    sealed_json,
    truth,
    weights,
)
from avsc.artifacts.damage import HEAL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PIPELINE = """
stages:
  write:
    cmd: python make.py write
    outs: [data/manifest/media.csv, data/manifest/labels_train.csv, data/manifest/labels_test.csv,
           data/quarantine.csv, data/truth/toy.csv, data/pseudo_labels.parquet, data/studies/table,
           data/robustness/one, data/weights/w.safetensors]
  train:
    foreach: [one, other]
    do:
      cmd: python make.py train ${item}
      outs: ["data/models/${item}", "data/predictions/${item}.parquet"]
  embed:
    foreach: [ears, eyes]
    do:
      cmd: python make.py embed ${item}
      outs: ["data/embeddings/${item}"]
"""
MAKE = """
import sys
from functools import partial
from pathlib import Path

import numpy as np

data = Path("data")


def write():
    import torch
    from avsc.artifacts import disturbances, manifest, pseudo_labels, sealed_json, truth, weights
    from avsc.artifacts.disturbances import Disturbance

    files = {"audio": "a.wav", "video": "a.mp4", "audio_sha256": "0" * 64, "video_sha256": "0" * 64}
    media = [{"clip_id": c, "fold": "train"} | files for c in "abcdef"]
    manifest.write(data / "manifest/media.csv", manifest.MEDIA, media)
    place = {"scene_label": "bus", "city": "x", "location": "x-1"}
    for fold, split in (("train", "val"), ("test", "test")):
        rows = [{"clip_id": c, "split": split} | place for c in "abcdef"]
        manifest.write(data / f"manifest/labels_{fold}.csv", manifest.LABELS, rows)
    lost = [{"clip_id": c, "cause": "cut off"} for c in "ab"]
    manifest.write(data / "quarantine.csv", manifest.QUARANTINE, lost)
    seconds = [{"clip_id": c, "second": "0", "events": "horn", "objects": ""} for c in "abcdef"]
    manifest.write(data / "truth/toy.csv", truth.COLUMNS, seconds)
    labels = {"events": [["horn"]], "objects": [[]]}
    path = data / "pseudo_labels.parquet"
    pseudo_labels.write(path, ["a"], [0], labels, {"events": ["horn"], "objects": ["car"]})
    predicted(data / "studies/table/0000.parquet", 1)
    sealed_json.write(data / "studies/table/cells.json", {"cells": [{"cell": "x", "seed": 1}]})
    predicted(data / "robustness/one/none.parquet", 2)
    disturbances.write(data / "robustness/one", [Disturbance("none", "none")])
    weights.write(data / "weights/w.safetensors", {"w": torch.ones(99)}, classes=["horn"])


def predicted(path, seed):
    from avsc.artifacts import predictions

    probs = np.random.default_rng(seed).random((2, 2))
    rows = predictions.Predictions(["a", "a"], [0, 1], probs, ("bus", "park"))
    predictions.write(path, {"val": rows, "test": rows})


def train(name):
    import torch
    from avsc.artifacts import models

    models.write(data / "models" / name, {"w": torch.ones(99)}, {"head": name})
    predicted(data / f"predictions/{name}.parquet", len(name))


def embed(name):
    from avsc.artifacts import extraction

    keys = {c: extraction.key_of(name, c) for c in map(str, range(200))}

    def arrays(clip_id):
        return {"embedding": np.full((2, 50), int(clip_id), np.float32)}

    out = data / "embeddings" / name
    print(extraction.extract(out, keys, lambda: partial(map, arrays), about={"scope": "segment"}))


globals()[sys.argv[1]](*sys.argv[2:])
"""
MODEL, SHARDS = ("data/models/one/", "data/embeddings/ears/")
READERS = {  # an output, and what reads it in the project
    "data/manifest/media.csv": partial(manifest.read, columns=manifest.MEDIA),
    "data/manifest/labels_train.csv": partial(manifest.read, columns=manifest.LABELS),
    "data/manifest/labels_test.csv": partial(manifest.read, columns=manifest.LABELS),
    "data/quarantine.csv": partial(manifest.read, columns=manifest.QUARANTINE),
    "data/truth/toy.csv": truth.read,
    "data/pseudo_labels.parquet": pseudo_labels.classes,
    "data/predictions/one.parquet": partial(predictions.read, split="test"),
    "data/studies/table/0000.parquet": partial(predictions.read, split="val"),
    "data/studies/table/cells.json": sealed_json.read,
    "data/robustness/one/none.parquet": partial(predictions.read, split="test"),
    "data/robustness/one/disturbances.json": lambda path: disturbances.read(path.parent),
    f"{MODEL}config.json": lambda path: models.read(path.parent),
    f"{MODEL}weights.safetensors": lambda path: models.read(path.parent),
    "data/weights/w.safetensors": weights.read,
    f"{SHARDS}*.h5": lambda path: embeddings.read(path.parent, [*map(str, range(200))]),
    f"{SHARDS}shards.json": lambda path: embeddings.read(path.parent, ["7"]),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a project with an output of each kind, all of them hard links of the cache."""
    root = tmp_path_factory.mktemp("made") / "project"
    root.mkdir()
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / "make.py").write_text(MAKE)
    run(root, "git init -q")
    run(root, "dvc init -q")
    (root / ".dvc/config").write_bytes((ROOT / ".dvc/config").read_bytes())
    run(root, "dvc repro")
    return root


@pytest.fixture
def project(made, tmp_path, monkeypatch):
    """Return a copy with hard links of its own."""
    root = tmp_path / "project"
    shutil.copytree(made, root, symlinks=True)
    run(root, "dvc checkout --relink")
    monkeypatch.chdir(root)
    return root


def run(root, command):
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    done = subprocess.run(command.split(), cwd=root, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def first(pattern):
    return min(Path().glob(pattern))


def rewrite(path, content):
    """Put content into a file that is a hard link of an object in the cache, and stays one."""
    assert path.stat().st_nlink > 1
    mode = path.stat().st_mode
    path.chmod(0o644)
    with path.open("r+b") as f:
        f.write(content)
        f.truncate()
    path.chmod(mode)


def contents():
    return {p: p.read_bytes() for p in sorted(Path("data").rglob("*")) if p.is_file()}


def refused(pattern):
    """Return the message with which the reader of an output refuses it."""
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        READERS[pattern](first(pattern) if "*" in pattern else Path(pattern))
    return str(error.value)


def told(message):
    """Return the commands that a message names for an output of a stage."""
    if HEAL in message:
        return re.findall(r"`([^`]+)`", HEAL)
    return re.findall(r"`([^`]+)`", message)[:1]


def flip(content):
    return (
        content[: len(content) // 2]
        + bytes([content[len(content) // 2] ^ 1])
        + content[len(content) // 2 + 1 :]
    )


@pytest.mark.parametrize(
    "damage",
    [flip, lambda content: content[: len(content) * 2 // 3], lambda content: bytes(len(content))],
    ids=["flipped bit", "cut off", "zeros"],
)
def test_damaged_outputs_are_good_after_what_the_messages_say(project, damage):
    before, paths = contents(), {pattern: first(pattern) for pattern in READERS}
    messages = []
    for pattern, path in paths.items():
        rewrite(path, damage(before[path]))
        messages.append(refused(pattern))
        assert path.name in messages[-1]
        rewrite(path, before[path])
    for path in paths.values():
        rewrite(path, damage(before[path]))
    (remedy,) = {tuple(told(message)) for message in messages}
    for command in remedy:
        output = run(project, command)
    assert "kept" in output  # the other shards of the damaged folder
    assert contents() == before
    assert "up to date" in run(project, "dvc repro")


def test_lost_outputs_are_back_after_what_the_messages_say(project):
    before, remedies = contents(), []
    for pattern in READERS:
        path = first(pattern)
        path.unlink()
        message = refused(f"{SHARDS}shards.json" if path.suffix == ".h5" else pattern)
        assert path.name in message
        remedies.append(told(message))
        path.write_bytes(before[path])
    for path in map(first, READERS):
        path.unlink()
    assert {command for commands in remedies for command in commands} == {
        "dvc repro",
        "dvc repro train@one",
    }
    for command in ("dvc repro train@one", "dvc repro"):
        run(project, command)
    assert contents() == before


COPIES = {  # where the content of another system goes, and where it comes from
    "data/predictions/one.parquet": "data/predictions/other.parquet",
    f"{MODEL}config.json": "data/models/other/config.json",
    f"{SHARDS}shards.json": "data/embeddings/eyes/shards.json",
    "data/studies/table/0000.parquet": "data/robustness/one/none.parquet",
}


def test_outputs_of_another_system_are_replaced_after_what_the_messages_say(project):
    before, messages = contents(), []
    for path, other in COPIES.items():
        rewrite(Path(path), before[Path(other)])
        messages.append(refused(path))
        assert "was written " in messages[-1]
    (remedy,) = {tuple(told(message)) for message in messages}
    for command in remedy:
        run(project, command)
    assert contents() == before


def test_what_dvc_recorded_of_a_wrong_file_is_made_again(project):
    before, path = contents(), Path("data/predictions/one.parquet")
    path.unlink()
    path.write_bytes(before[Path("data/predictions/other.parquet")])
    run(project, "dvc commit -f -q train@one")
    for command in told(refused(str(path))):
        run(project, command)
    assert contents() == before


def test_a_forced_extraction_trusts_no_shard_of_the_cache_unread(project):
    before, path = contents(), first(f"{SHARDS}*.h5")
    rewrite(path, flip(before[path]))
    shutil.rmtree(".avsc")
    output = run(project, "dvc repro -f -s embed@ears")
    assert "0 encoded" not in output
    assert " 0 kept" not in output
    assert contents() == before
    assert " 0 damaged" in run(project, "avsc data check --cache")


def test_a_check_names_what_is_damaged_in_workspace_and_cache_and_removes_nothing(project):
    before, path = contents(), Path("data/manifest/labels_test.csv")
    rewrite(path, flip(before[path]))
    with pytest.raises(AssertionError) as failed:
        run(project, "avsc data check --cache")
    told = str(failed.value)
    named = set(re.findall(r"((?:data|\.dvc)/\S+): its md5 is ", told))
    assert {Path(name).parts[0] for name in named} == {"data", ".dvc"}
    assert len(named) == 2
    assert "2 damaged, 0 removed" in told
    assert path.exists()


def test_data_that_no_stage_makes_are_named_and_stay(project):
    own = Path("own.bin")
    own.write_bytes(b"mine" * 99)
    run(project, "dvc add -q own.bin")
    content = flip(own.read_bytes())
    rewrite(own, content)
    with pytest.raises(AssertionError, match=r"own\.bin: its md5 is .*no stage makes it"):
        run(project, "avsc data check --cache --heal")
    assert own.read_bytes() == content


def test_a_damaged_checkpoint_is_gone_after_what_its_message_says(tmp_path):
    import torch

    path = tmp_path / "it.safetensors"
    checkpoints.write(path, {"w": torch.ones(2)}, [], made_of="a")
    path.write_bytes(flip(path.read_bytes()))
    with pytest.raises(ValueError, match=r"damaged .*; delete it to train from the start"):
        checkpoints.read(path, made_of="a")
    path.unlink()
    assert checkpoints.read(path, made_of="a") is None
