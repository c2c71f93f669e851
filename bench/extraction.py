"""Extraction end to end: from media shards to embedding shards, beside the network alone.

Sound and pictures are made here and lie in media shards, as `decode` writes them. Ours reads them,
opens the pictures, prepares what the network takes, runs it and writes shards, as `embed` does. The
network alone gets ready tensors, on a CPU a clip a core as ours, on a GPU in batches of the same
size. Weights are random. A ratio of 1 is what an extraction could reach. The floor is what the
matrix products of the network would take alone.
"""

import io
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from avsc.artifacts import media, shard
from avsc.artifacts.making import Job, Worker
from avsc.device import device
from avsc.embedding import ARRAYS, Embedder, rows
from avsc.encoders import ast, timm_image
from avsc.threads import cores, in_threads
from bench._features import ids
from bench._floor import flop, flop_per_s
from bench._table import main
from bench._turns import Row, compared, difference, in_turns, threads

REACH = {"cpu": 0.9, "cuda": 0.85}
SIDE = 288  # short side of the pictures, in pixels
NETWORKS: dict[str, dict[str, Any]] = {
    "AST-base": {"encoder": "ast", "config": {"num_labels": 527}, "weights": "random"},
    "ResNet50": {"encoder": "timm_image", "name": "resnet50", "weights": "random"},
}
SMALL: dict[str, dict[str, Any]] = {
    "a tiny AST": {"encoder": "ast", **ast.TINY},
    "a tiny ConvNeXt": {"encoder": "timm_image", **timm_image.TINY},
}


def results(*, quick: bool = False) -> list[Row]:
    """Return a row for each network."""
    networks, count, seconds, repeats = (SMALL, 3, 2, 1) if quick else (NETWORKS, 4, 10, 3)
    if not quick and device() != "cpu":
        count = 128
    with tempfile.TemporaryDirectory() as folder, threads(1):
        clip_id = ids(count)
        write(Path(folder), clip_id, seconds)
        return [_row(name, networks[name], Path(folder), clip_id, repeats) for name in networks]


def _row(name: str, block: dict[str, Any], root: Path, clip_id: Sequence[str], repeats: int) -> Row:
    embedder = Embedder(block, varied=(), root=root)
    encoder = embedder.encoder
    ready = [
        encoder.prepare(rows(encoder, embedder.library.read(c, ARRAYS[encoder.modality])))
        for c in clip_id
    ]
    there = ready
    if device() != "cpu":
        there = list(torch.cat(ready).to(device()).split(encoder.batch_size))
    sides = {
        "ours": partial(end_to_end, embedder, clip_id),
        "alone": partial(alone, encoder.model, there),
    }
    given, took = in_turns(sides, repeats=repeats)
    with threads(cores()), torch.no_grad():
        floor_s = len(ready) * flop(lambda: encoder.model(ready[0].to(device()))) / flop_per_s()
    return compared(
        f"{len(clip_id)} clips of {len(ready[0])} s through {name}, shards to shards",
        "the network alone on ready tensors",
        took["ours"],
        took["alone"],
        reach=REACH[device().partition(":")[0]],
        difference=difference(given["ours"], given["alone"]),
        floor_s=floor_s,
    )


def end_to_end(embedder: Embedder, clip_id: Sequence[str]) -> np.ndarray:
    """Return the embeddings that were written to a shard."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        worker = Worker(work, embedder, {})
        list(worker([Job("made.h5", dict.fromkeys(clip_id, ""), {})]))
        with shard.reading(work / "shards/made.h5") as s:
            return s.rows("embedding")


def alone(network: Any, ready: Sequence[Tensor]) -> np.ndarray:
    """Return the embeddings of tensors that are ready: clips on a CPU, batches on a GPU."""

    def run(x: Tensor) -> Tensor:
        with torch.inference_mode():
            return network(x)[0].cpu()

    if device() == "cpu":
        return torch.cat(list(in_threads(run, threads=cores())(iter(ready)))).numpy()
    return torch.cat([run(batch) for batch in ready]).numpy()


def write(root: Path, clip_id: Sequence[str], seconds: int) -> None:
    """Write a shard of clips: noise, and pictures of blurred noise."""
    rng, clips = np.random.default_rng(0), {}
    for c in clip_id:
        sound = rng.uniform(-0.5, 0.5, (seconds, 2, 16_000)).astype(np.float32)
        clips[c] = (c, media.arrays(sound, [_jpeg(rng) for _ in range(seconds)]))
    shard.write(root / "media/made.h5", clips, about={}, quarantined={})


def _jpeg(rng: np.random.Generator) -> bytes:
    coarse = Image.fromarray(rng.integers(0, 256, (SIDE // 8, SIDE // 5, 3), np.uint8))
    file = io.BytesIO()
    coarse.resize((SIDE * 16 // 9, SIDE)).save(file, "JPEG", quality=95, subsampling="4:4:4")
    return file.getvalue()


if __name__ == "__main__":
    main("extraction")
