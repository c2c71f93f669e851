"""Stages that fail while their workers are busy: each process ends by itself, with exit code 1."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from avsc.artifacts import media, shard
from tests import params_files
from tests.artifacts import toy_shards
from tests.pipeline.project import ROOT
from tests.stages import toy_clips, toy_scenes, toy_study

pytestmark = [pytest.mark.slow, pytest.mark.fault, pytest.mark.timeout(900)]

ROUNDS = int(os.environ.get("AVSC_FAULT_ROUNDS", "2"))
CLIPS = [f"c{i:02d}" for i in range(24)]
EARS = {"encoder": "fbank", "weights": "none"}


@pytest.fixture
def project(tmp_path):
    clips = {c: toy_clips.decoded(i, seconds=5) for i, c in enumerate(CLIPS)}
    clips["c12"]["waveform"][:] = np.nan
    toy_clips.write(tmp_path / "data", dict.fromkeys(CLIPS, "test"), clips)
    return tmp_path


def decode(root):
    """Files that differ from their digests."""
    for name in ("a.wav", "a.mp4"):
        (root / name).touch()
    pictures = {"short_side_px": 32, "jpeg_quality": 90}
    decode = {"on_error": "stop", "seconds": 5, "sample_rate": 16000} | pictures
    return {"decode": decode, "index": {"root": "."}}, "has changed since it was indexed"


def embed(_root):
    """One clip has no finite samples."""
    return {"embed": {"it": EARS}}, "while it worked on 'c12'"


def embed_that_cannot_write(root):
    """The folder of the first block cannot be made, while threads encode the next ones."""
    journal = root / ".avsc/data/embeddings/it/journal"
    journal.parent.mkdir(parents=True)
    journal.touch()
    return {"embed": {"it": EARS}}, "journal"


def disturb(_root):
    return {"embed": {"it": EARS}, "disturb": {"it": EARS | {"gain_db": [3]}}}, "gain_db_3/c12"


def finetune(root):
    """The last clip of the training fold has broken pictures."""
    toy_scenes.made_up(root, train=30, val=2)
    path = root / "data/media/a.h5"
    with shard.reading(path) as s:
        clips = {c: (s.key[c], s.clip(c)) for c in s.clip_id}
    key, arrays = clips["train29"]
    clips["train29"] = key, media.arrays(arrays["waveform"], [b"no jpeg"] * toy_scenes.SECONDS)
    toy_shards.write(path, clips, about={}, quarantined={})
    (root / "data/media/m.h5").unlink()
    toy_shards.list_again(root / "data/media")
    return {"finetune": {"it": toy_scenes.BLOCK}}, "no jpeg|cannot identify"


def study(root):
    """Two processes train, with steps so large that the loss is not finite."""
    toy_study.write(root)
    rows = {f"row{i}": {"set": {"fit": {"weight_decay": i / 10}}} for i in range(3)}
    base = toy_study.BASE | {"fit": toy_study.BASE["fit"] | {"lr": 1e30}}
    asked = toy_study.edited(seeds=[1], rows=rows)
    return {"train": {"base": base}, "study": {"it": asked}}, "is nan"


@pytest.mark.parametrize(
    "fails", [decode, embed, embed_that_cannot_write, disturb, finetune, study]
)
def test_failing_stage_ends_by_itself_with_its_exit_code(project, fails):
    params, message = fails(project)
    params = {"executor": "local", "data": "toy", "seed": 1} | params
    params_files.write(project, params)
    stage = fails.__name__.partition("_")[0]
    rounds = max(1, ROUNDS // 4) if stage == "study" else ROUNDS
    argument = "" if stage == "decode" else "it"
    command = [sys.executable, "-m", "tests.stages.ending", stage, argument, str(rounds)]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {"OMP_NUM_THREADS": "1", "AVSC_CORES": "4", "AVSC_DEVICE": "cpu", "PYTHONPATH": path}
    env = os.environ | env | {"AVSC_PROCESSES": "2" if stage == "study" else "1"}
    done = subprocess.run(
        command, cwd=project, env=env, capture_output=True, text=True, timeout=800
    )
    assert done.stdout.split() == ["1"] * rounds, done.stderr
    assert re.search(message, done.stderr)
