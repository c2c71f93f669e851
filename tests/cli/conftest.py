"""Films of any kind, and a project with trained experiments, without DVC."""

from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from avsc import embedding, experiment
from avsc.artifacts import manifest, models, predictions
from avsc.artifacts.predictions import Predictions
from avsc.cli import app
from tests import params_files

CODECS = {".webm": ("libvpx", "libopus"), ".mkv": ("libx264", "aac")}
SCENES = ("bus", "park", "tram")
PARAMS = {
    "data": "toy",
    "seed": 1,
    "decode": {
        "seconds": 2,
        "sample_rate": 16000,
        "short_side_px": 32,
        "jpeg_quality": 90,
        "on_error": "stop",
    },
    "embed": {
        "logmel": {"encoder": "logmel", "weights": "none"},
        "long": {"encoder": "logmel", "weights": "none", "scope": "clip"},
        "convnext": {
            "encoder": "timm_image",
            "weights": "random",
            "name": "convnext_atto",
            "model_kwargs": {"depths": [1, 1, 1, 1], "dims": [4, 8, 12, 16]},
            "classes": ["bus", "car"],
            "input_size": 32,
        },
    },
}
EXPERIMENTS = {  # the rows of each modality's embedding are what the encoders above give
    "sound": {"head": "early", "inputs": {"audio": "logmel"}},
    "sight": {"head": "early", "inputs": {"video": "convnext"}},
    "both": {"head": "early", "inputs": {"audio": "logmel", "video": "convnext"}},
    "gated": {"head": "gated", "inputs": {"audio": "logmel", "video": "convnext"}},
    "clips": {"head": "early", "inputs": {"audio": "long", "video": "convnext"}},
}


@pytest.fixture
def film(tmp_path):
    """A film with coloured noise in pictures and sound."""

    def make(
        name="film.mp4", seconds=2.0, *, fps=10, sound=True, pictures=True, size=(64, 48), late_s=0
    ):
        path = tmp_path / name
        codecs = CODECS.get(path.suffix, CODECS[".mkv"])
        rng = np.random.default_rng(1)
        with av.open(path, "w") as file:
            if pictures:
                video = file.add_stream(codecs[0], rate=fps)
                video.width, video.height = size
                video.pix_fmt = "yuv420p"
            if sound:
                audio = file.add_stream(codecs[1], rate=48000)
                audio.layout = "stereo"
            for k in range(round(seconds * fps) if pictures else 0):
                pixels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
                frame = av.VideoFrame.from_ndarray(pixels // 4 + 40 * (k % 4), format="rgb24")
                frame.pts, frame.time_base = k + late_s * fps, Fraction(1, fps)
                file.mux(video.encode(frame))
            for first in range(0, round(seconds * 48000) if sound else 0, 960):
                noise = rng.uniform(-0.2, 0.2, (1, 2 * 960))
                block = (noise * 2**15).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(block, format="s16", layout="stereo")
                frame.rate, frame.pts, frame.time_base = 48000, first, Fraction(1, 48000)
                file.mux(audio.encode(frame))
            for stream in file.streams:
                file.mux(stream.encode(None))
        return path

    return make


@pytest.fixture
def wav(tmp_path):
    def make(name="film.wav", seconds=2.0, level=0.2):
        noise = np.random.default_rng(2).uniform(-level, level, (round(seconds * 16000), 2))
        soundfile.write(tmp_path / name, noise, 16000)
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory):
    root = tmp_path_factory.mktemp("trained")
    train = {
        name: {"inputs": "_".join(e["inputs"].values()), "labels": "none", "head": e["head"]}
        for name, e in EXPERIMENTS.items()
    }
    params_files.write(root, PARAMS | {"train": train})
    for name, e in EXPERIMENTS.items():
        torch.manual_seed(3)
        scope = "clip" if name == "clips" else "segment"
        config = {
            **e,
            "hparams": {},
            "standardise": True,
            "shapes": {m: shape_of(encoder) for m, encoder in e["inputs"].items()},
            "scenes": list(SCENES),
            "scope": scope,
            "dropped": ["audio", "video"] if name == "gated" else [],
        }
        system = experiment.build(config)
        for buffer in (n for n, _ in system.named_buffers() if n.startswith("mean_")):
            system.get_buffer(buffer).fill_(0.5)
        models.write(root / "data/models" / name, system.state_dict(), config)
    write_validation(root)
    return root


def shape_of(encoder):
    block = PARAMS["embed"][encoder]
    made = embedding.create(block)
    seconds = PARAMS["decode"]["seconds"] if made.scope == "clip" else 1
    if made.modality == "audio":
        x = np.zeros((1, 2, 16000 * seconds), np.float32)
    else:
        x = np.zeros((1, seconds if made.scope == "clip" else 1, 32, 32, 3), np.uint8)
    return list(made(x)["embedding"].shape[1:])


def write_validation(root):
    """Validation predictions, of which those of `both` are the best of those of seconds."""
    rows = [
        {"clip_id": f"{scene}-a-1-{k}", "scene_label": scene, "city": "a", "location": "a-1"}
        for k, scene in enumerate(SCENES)
    ]
    rows = [r | {"split": "val"} for r in rows]
    manifest.write(root / "data/manifest/labels_train.csv", manifest.LABELS, rows)
    sure = {"sound": 0.4, "sight": 0.5, "both": 0.8, "gated": 0.6, "clips": 0.99}
    for name, p in sure.items():
        probs = np.full((3, 3), (1 - p) / 2) + np.eye(3) * (p - (1 - p) / 2)
        segment = None if name == "clips" else [0, 0, 0]
        found = Predictions([r["clip_id"] for r in rows], segment, probs, SCENES)
        predictions.write(root / f"data/predictions/{name}.parquet", {"val": found})


@pytest.fixture
def run():
    """Run `avsc` with arguments of any type."""

    def run(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return run


@pytest.fixture
def predict(run, trained_once):
    """Run `avsc predict` in the trained project."""

    def predict(*arguments):
        return run("predict", *arguments, "--project", trained_once)

    return predict
