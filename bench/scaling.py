"""Scaling: loading an experiment and an epoch of training, 100 clips to TAU's 12 291.

Two features of 512 numbers a second, drawn at random. Each size is a process of its own, which says
what memory it needed at most in its first turn; then the sizes take turns, and medians are kept, so
that a slow minute of the machine is a slow minute of all of them. Reading, standardising, training
on 70 % of the clips and one pass of validation are included; starting Python, what the first step
of a process imports, and writing are not. A straight line of least relative error, start + slope x
clips, is laid through the sizes: `off the line` tells how far a size lies from it, R2 how much of
the differences it explains, in the same relative measure; last is what a clip costs at the largest
size, divided by what it costs at the one before.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch

from avsc import experiment
from avsc.artifacts import manifest
from bench._features import TAU_CLIPS, ids, write_shards
from bench._memory import peak_bytes
from bench._table import main
from bench._turns import Row

SIZES = (100, 500, 1000, 2000, 4000, 8000, TAU_CLIPS)
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
    """Return a row for each number of clips, and what the line through them is like."""
    sizes, dim, turns = ((50, 100, 200), 16, 1) if quick else (SIZES, DIM, 5)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        roots = [_root(Path(folder), size, sizes[-1], dim) for size in sizes]
        sides = [stack.enter_context(_apart(root)) for root in roots]
        first = [_asked(side) for side in sides]
        later = [[_asked(side) for side in sides] for _ in range(turns)]
    found = [
        {
            "load_s": median(turn["load_s"] for turn in own),
            "epoch_s": median(turn["epoch_s"] for turn in own),
            "both_s": median(turn["load_s"] + turn["epoch_s"] for turn in own),
            "peak MB": once["peak MB"],
        }
        for once, own in zip(first, zip(*later, strict=True), strict=True)
    ]
    return _rows(sizes, found)


def _rows(sizes: Sequence[int], found: Sequence[dict[str, float]]) -> list[Row]:
    lines = {key: line(sizes, [f[key] for f in found]) for key in found[0]}
    both = lines["both_s"]
    rows: list[Row] = [
        {"clips": f"{size}", **f, "off the line": f["both_s"] / both.at(size) - 1}
        for size, f in zip(sizes, found, strict=True)
    ]
    costs = {key: [f[key] / size for size, f in zip(sizes, found, strict=True)] for key in lines}
    summary: dict[str, dict[str, str | float]] = {
        "1000 more": {key: 1000 * one.slope for key, one in lines.items()},
        "start": {key: one.start for key, one in lines.items()},
        "R2": {key: f"{one.explained:.4f}" for key, one in lines.items()},
        "last": {key: f"{cost[-1] / cost[-2]:.2f}" for key, cost in costs.items()},
    }
    return [*rows, *({"clips": name, **v, "off the line": None} for name, v in summary.items())]


@dataclass(frozen=True)
class Line:
    """A straight line, and how much of the relative differences it explains, at most 1."""

    slope: float
    start: float
    explained: float

    def at(self, x: float) -> float:
        """Return its height."""
        return self.start + self.slope * x


def line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Return the straight line of least relative error."""
    a, b = np.asarray(x, float), np.asarray(y, float)
    slope, start = np.polyfit(a, b, 1, w=1 / b)
    level = np.average(b, weights=b**-2.0)
    left, all_of_it = (float((((b - z) / b) ** 2).sum()) for z in (start + slope * a, level))
    return Line(float(slope), float(start), 1 - left / all_of_it)


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


@contextmanager
def _apart(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that takes a turn whenever it is given a line."""
    command = [sys.executable, "-c", f"from bench import scaling; scaling.measure({str(root)!r})"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as side:
        yield side
        side.stdin.close()  # type: ignore[union-attr]


def _asked(side: subprocess.Popen[str]) -> dict[str, float]:
    side.stdin.write("turn\n")  # type: ignore[union-attr]
    side.stdin.flush()  # type: ignore[union-attr]
    found: dict[str, float] = json.loads(side.stdout.readline())  # type: ignore[union-attr]
    return found


def measure(root: str) -> None:
    """Print the seconds of loading and of an epoch, and megabytes at most, for each line read."""
    _warm_up()
    for _ in sys.stdin:
        load_s, epoch_s = _turn(Path(root))
        turn = {"load_s": load_s, "epoch_s": epoch_s, "peak MB": peak_bytes() / 1e6}
        print(json.dumps(turn), flush=True)  # noqa: T201


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
