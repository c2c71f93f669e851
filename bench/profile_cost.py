"""Profile cost: what the encoders of a profile need for all of TAU's 12 291 clips.

Networks of full size with random weights, on a clip made here as for the benchmark of decoding,
whose noise makes pictures large. Arithmetic is what torch counts of matrix products and
convolutions, a multiplication and an addition each. `core` is the time of one core, in fp32, for
decoding a clip or encoding what was decoded; on a GPU, time that passes. Training clips, 70 % of
all, are encoded once more for each view that their encoder makes. The last row is the sum; `largest
input` is what the experiment or study that reads most has in memory, before it is standardised.
"""

import argparse
import inspect
import tempfile
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

import avsc.encoders
import avsc.media
from avsc import embedding
from avsc.artifacts import media
from avsc.device import device
from avsc.media import Clip
from avsc.params import reading
from avsc.params.inputs import members_of
from bench._floor import flop
from bench._table import machine, markdown
from bench._turns import Row, threads
from bench.decode import FPS, encode

CLIPS, TRAINING = 12_291, 8_646 / 12_291
CONFIGS: dict[str, dict[str, Any]] = {"ast": {"num_labels": 527}, "clap": {}}  # need no network
SECONDS, SIZE = 10, (1280, 720)


def results(*, quick: bool = False) -> list[Row]:
    """Return the rows of the profiles that are made for TAU."""
    if quick:
        return rows("demo", profile("demo"), clips=CLIPS, size=(160, 96))
    found = (rows(name, profile(name), clips=CLIPS) for name in ("tau2021", "modern"))
    return [row for some in found for row in some]


def profile(name: str) -> dict[str, Any]:
    """Return the sections of a profile of params/."""
    return reading.open_in(Path("params", name)).tree


def rows(
    name: str, tree: Mapping[str, Any], *, clips: int, size: tuple[int, int] = SIZE
) -> list[Row]:
    """Return a row for decoding, one for each encoder of a profile, and the sum.

    Args:
        name: of the profile, to stand in front.
        tree: the profile.
        clips: of the data set, each of ten seconds.
        size: width and height of the pictures in the clip, in pixels.
    """
    with tempfile.TemporaryDirectory() as folder, threads(1):
        found, clip = decoded(Path(folder), tree["decode"], size=size)
        table = {"decode": found}
        for encoder, block in tree["embed"].items():
            table[encoder] = encoded(offline(block, decoded_hz=clip.waveform.shape[2]), block, clip)
    sums = {k: sum(cost[k] for cost in table.values()) for k in found}
    read = largest_input(tree, {n: cost["read"] for n, cost in table.items()})
    made = [_row(f"{name}: {n}", cost, clips) for n, cost in table.items()]
    return [*made, {**_row(f"{name}: all", sums, clips), "largest input GB": read * clips / 1e9}]


def _row(what: str, cost: Mapping[str, float], clips: int) -> Row:
    return {
        "what": what,
        "M parameters": cost["parameters"] / 1e6,
        "GFLOP a clip": cost["flop"] / 1e9,
        "core a clip_s": cost["core_s"],
        "MB a clip": cost["bytes"] / 1e6,
        "PFLOP": cost["passes_flop"] * clips / 1e15,
        "core hours": cost["passes_s"] * clips / 3600,
        "GB": cost["bytes"] * clips / 1e9,
        "largest input GB": None,
    }


def decoded(
    folder: Path, block: Mapping[str, Any], *, size: tuple[int, int]
) -> tuple[dict[str, float], Clip]:
    """Return what decoding a clip costs, and the clip."""
    sound, pictures = folder / "clip.wav", folder / "clip.mp4"
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (SECONDS * 48000, 2))
    soundfile.write(sound, noise, 48000, subtype="PCM_24")
    encode(pictures, gop=12, size=size, frames=SECONDS * FPS)
    own = {k: block[k] for k in ("sample_rate", "short_side_px", "jpeg_quality")}
    start = time.process_time()
    clip = avsc.media.decode(sound, pictures, seconds=SECONDS, **own)
    took = time.process_time() - start
    size_b = float(clip.waveform.nbytes + sum(map(len, clip.pictures)))
    cost = {"parameters": 0.0, "flop": 0.0, "core_s": took, "bytes": size_b, "read": 0.0}
    return cost | {"passes_flop": 0.0, "passes_s": took}, clip


def encoded(encoder: Any, block: Mapping[str, Any], clip: Clip) -> dict[str, float]:
    """Return what encoding a clip costs, and, on an average clip, what its block's views add."""
    arrays = media.arrays(clip.waveform, clip.pictures)
    net = getattr(encoder, "model", torch.nn.Identity()).requires_grad_(requires_grad=False)
    made: dict[str, np.ndarray] = {}
    arithmetic = flop(lambda: made.update(encoder(embedding.rows(encoder, arrays))))
    clock = time.process_time if device() == "cpu" else time.perf_counter
    start = clock()
    encoder(embedding.rows(encoder, arrays))
    took = clock() - start
    views = block.get("views", {}).get("count", 0)
    passes = 1 + TRAINING * views  # the plain one among them
    own = float(made["embedding"].nbytes)
    return {
        "parameters": float(sum(p.numel() for p in net.parameters())),
        "flop": float(arithmetic),
        "core_s": took,
        "bytes": sum(a.nbytes for a in made.values()) + TRAINING * views * own,
        "read": own * (1 + TRAINING * views),
        "passes_flop": arithmetic * passes,
        "passes_s": took * passes,
    }


def offline(block: Mapping[str, Any], *, decoded_hz: int) -> Any:
    """Return the encoder of a block of `embed` with random weights, asking no network.

    A network of transformers has the size that its block says, else that of the checkpoint which
    its encoder takes by default.
    """
    apart = ("encoder", "weights", "sha256", "revision", *embedding.APART)
    own = {k: v for k, v in block.items() if k not in apart} | embedding.at_rate(block, decoded_hz)
    takes = inspect.signature(import_module(f"avsc.encoders.{block['encoder']}").Encoder).parameters
    if "config" in takes:
        own = {"config": CONFIGS[block["encoder"]]} | own
    if "weights" in takes:
        own |= {"weights": "random", "device": device()}
    return avsc.encoders.create(block["encoder"], **own)


def largest_input(tree: Mapping[str, Any], read: Mapping[str, float]) -> float:
    """Return the bytes a clip of the experiment or study that reads most."""
    blocks = [*tree["train"].values(), *tree["study"].values()]
    entries = [members_of(block["inputs"], tree) for block in blocks]
    return max(sum(read.get(n, 0.0) for n in names) for names in entries)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile", help="a folder of params/")
    parser.add_argument("--clips", type=int, default=CLIPS, help="of ten seconds")
    asked = parser.parse_args()
    facts = ", ".join(f"{k} {v}" for k, v in machine().items())
    table = markdown(rows(asked.profile, profile(asked.profile), clips=asked.clips))
    print(facts, table, sep="\n\n")  # noqa: T201
