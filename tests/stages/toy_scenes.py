"""A made-up set of two scenes that sound and look different, and what tunes encoders on it."""

import io

import numpy as np
from PIL import Image

from avsc.artifacts import manifest, media
from tests.artifacts import toy_shards

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
    toy_shards.write(root / "data/media/a.h5", clips, about={}, quarantined={})
