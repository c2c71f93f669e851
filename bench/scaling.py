"""Scaling: loading an experiment and an epoch of training, 100 clips to TAU's 12 291.

Two features of 512 numbers a second, drawn at random; each size is a process of its own, which
says how long it took and how much memory it needed at most. Reading, standardising, training on
70 % of the clips and one pass of validation are included; starting Python, what the first step of a
process imports, and writing are not. The last row is the slope of the straight line of least
relative error, `off the line` how far a size lies from it.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch

from avsc import experiment
from avsc.artifacts import manifest
from bench._features import TAU_CLIPS, ids, write_shards
from bench._table import main
from bench._turns import Row

SIZES = (100, 1000, 4000, TAU_CLIPS)
SHARD_CLIPS = 50  # divides all sizes but the last
DIM = 512
BLOCK = {
    "audio": "audio",
    "video": "video",
    "labels": "none",
    "head": "early",
    "fit": {"epochs": 1, "batch_size": 512},
}
ROOT = Path(__file__).parents[1]


def results(*, quick: bool = False) -> list[Row]:
    """Return a row for each number of clips, and one of slopes."""
    sizes, dim, repeats = ((50, 200), 16, 1) if quick else (SIZES, DIM, 3)
    with tempfile.TemporaryDirectory() as folder:
        roots = [_root(Path(folder), size, sizes[-1], dim) for size in sizes]
        found = [_apart(root, repeats) for root in roots]
    return _rows(sizes, found)


def _rows(sizes: Sequence[int], found: Sequence[dict[str, float]]) -> list[Row]:
    total = np.array([f["load_s"] + f["epoch_s"] for f in found])
    lines = {key: line(sizes, [f[key] for f in found]) for key in found[0]}
    slope, start = line(sizes, total)
    rows: list[Row] = [
        {"clips": f"{size}", **f, "both_s": both, "off the line": off}
        for size, f, both, off in zip(
            sizes, found, total, total / (start + slope * np.array(sizes)) - 1, strict=True
        )
    ]
    slopes = {key: 1000 * steep for key, (steep, _) in lines.items()}
    last: Row = {"clips": "1000 more", **slopes, "both_s": 1000 * slope, "off the line": None}
    return [*rows, last]


def line(x: Sequence[int], y: Sequence[float]) -> tuple[float, float]:
    """Return slope and start of the straight line of least relative error."""
    slope, start = np.polyfit(x, y, 1, w=1 / np.asarray(y))
    return float(slope), float(start)


def _root(folder: Path, size: int, largest: int, dim: int) -> Path:
    """Return a folder with the labels and embeddings of `size` clips, shards hard-linked."""
    root, clip_id = folder / str(size), ids(size)
    for m in experiment.MODALITIES:
        whole = folder / m
        if not whole.exists():
            write_shards(whole, ids(largest), dim, modality=m, size=SHARD_CLIPS)
        own = root / "embeddings" / m
        own.mkdir(parents=True)
        written = sorted(whole.glob("*.h5"), key=lambda p: p.stat().st_mtime_ns)
        for path in written[: -(-size // SHARD_CLIPS)]:
            (own / path.name).hardlink_to(path)
    split = ["train"] * 7 + ["val"] + ["test"] * 2
    labels = [
        {"clip_id": c, "scene_label": f"scene{i % 9}", "city": "", "location": "", "split": s}
        for i, c in enumerate(clip_id)
        if (s := split[i % 10]) != "test"
    ]
    manifest.write(root / "manifest/labels_train.csv", manifest.LABELS, labels)
    return root


def _apart(root: Path, repeats: int) -> dict[str, float]:
    """Measure in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    call = f"scaling.measure({str(root)!r}, repeats={repeats})"
    command = [sys.executable, "-c", f"from bench import scaling; {call}"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(root: str, *, repeats: int) -> None:
    """Print median seconds of loading and of an epoch, and megabytes at most in the first turn."""
    _warm_up()
    turns, peaks = [], []
    for _ in range(repeats):
        turns.append(_turn(Path(root)))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
    load_s, epoch_s = (median(some) for some in zip(*turns, strict=True))
    print(json.dumps({"load_s": load_s, "epoch_s": epoch_s, "peak MB": peaks[0]}))  # noqa: T201


def _turn(root: Path) -> tuple[float, float]:
    start = time.perf_counter()
    data = experiment.load(BLOCK, root=root)
    loaded = time.perf_counter()
    experiment.fit(BLOCK, data, seed=0)
    return loaded - start, time.perf_counter() - loaded


def _warm_up() -> None:
    """Step an optimizer once: the first of a process imports for a second."""
    weight = torch.zeros(1, requires_grad=True)
    weight.sum().backward()
    torch.optim.Adam([weight], fused=True).step()


if __name__ == "__main__":
    main("scaling")
