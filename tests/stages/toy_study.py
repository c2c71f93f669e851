"""A small study: its block of params.yaml, and the arrays and labels that it reads."""

import json

import numpy as np

from avsc.artifacts import bundles, manifest
from tests import params_files
from tests.artifacts import toy_shards

CLIPS = {"train": [f"t{i}" for i in range(12)], "val": ["v0", "v1"], "test": ["x0", "x1"]}
BASE = {
    "inputs": "av",
    "labels": "none",
    "head": "early",
    "fit": {"epochs": 2, "batch_size": 8, "lr": 0.01},
}
STUDY = {
    "base": "base",
    "head": "early",
    "inputs": "av",
    "labels": "none",
    "seeds": [1, 2],
    "rows": {
        "plain": {},
        "mixed": {"set": {"fit": {"mixup": 0.4}}},
        "late": {"set": {"head": "late"}},
        "audio": {"set": {"inputs": "ears"}},
    },
}


def embeddings(directory, *, seed, dim):
    rng = np.random.default_rng(seed)
    clips = [c for some in CLIPS.values() for c in some]
    arrays = {c: (c, {"embedding": rng.normal(3, 2, (3, dim)).astype(np.float32)}) for c in clips}
    modality = {"ears": "audio", "eyes": "video"}[directory.name]
    about = {"scope": "segment", "modality": modality}
    toy_shards.write(directory / "a.h5", arrays, about=about, quarantined={})
    root = directory.parent
    if (root / "eyes").is_dir():
        bundles.write(root / "av", [root / "ears", root / "eyes"])


def write(root):
    """Write what the study reads below `root`/data."""
    embeddings(root / "data/embeddings/ears", seed=0, dim=3)
    embeddings(root / "data/embeddings/eyes", seed=1, dim=2)
    labels = [
        {"clip_id": c, "scene_label": "bus" if i % 2 else "park", "city": "x", "location": c}
        | {"split": split}
        for split in ("train", "val")
        for i, c in enumerate(CLIPS[split])
    ]
    manifest.write(root / "data/manifest/labels_train.csv", manifest.LABELS, labels)


def edited(**changes):
    """Return STUDY with other values of some keys."""
    return json.loads(json.dumps(STUDY)) | changes


def wanted(root, asked=STUDY, executor="local"):
    """Write parameters that ask for a study `s`."""
    params_files.write(root, {"executor": executor, "train": {"base": BASE}, "study": {"s": asked}})
