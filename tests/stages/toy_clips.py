"""Decoded clips of noise on disk, as `embed` and `disturb` find them."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from avsc.artifacts import manifest, media
from tests.artifacts import toy_shards

EYES = {
    "encoder": "timm_image",
    "weights": "random",
    "name": "convnext_atto",
    "model_kwargs": {"depths": [1, 1, 1, 1], "dims": [4, 8, 12, 16]},
    "classes": ["tree", "car"],
    "input_size": 32,
}


def jpeg(rng):
    pixels = np.kron(rng.integers(0, 256, (4, 6, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def decoded(seed, *, seconds):
    """Return the arrays of a clip."""
    rng = np.random.default_rng(seed)
    sound = rng.uniform(-0.5, 0.5, (seconds, 2, 16000)).astype(np.float32)
    return media.arrays(sound, [jpeg(rng) for _ in range(seconds)])


def write(data: Path, fold: Mapping[str, str], clips: Mapping[str, Mapping[str, np.ndarray]]):
    """Write a manifest of all clips in `fold` and the arrays of `clips`; the rest is in quarantine.

    Args:
        data: the project's data/.
        fold: {clip_id: train or test}.
        clips: {clip_id: arrays}.
    """
    files = {"audio": "a.wav", "video": "a.mp4", "audio_sha256": "0" * 64, "video_sha256": "0" * 64}
    rows = [{"clip_id": c, "fold": part} | files for c, part in fold.items()]
    manifest.write(data / "manifest/media.csv", manifest.MEDIA, rows)
    keyed = {c: (f"key of {c}", arrays) for c, arrays in clips.items()}
    lost = dict.fromkeys(fold.keys() - clips.keys(), "cut off")
    toy_shards.write(data / "media/m.h5", keyed, about={}, quarantined=lost)
    (data / "weights").mkdir()
    for name in ("none", "random"):
        (data / "weights" / name).write_text(f"{name}\n")
