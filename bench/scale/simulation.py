"""The bookkeeping of very many clips: real manifests, real shards, real DVC, arrays of one number.

Each step runs in a process of its own, as it would in a stage, so its peak of memory is its own.
"""

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from avsc.artifacts import embeddings, extraction, manifest, media
from bench._memory import peak_bytes

OUT = Path("data/embeddings/x")
SCENES = 10


def rows(sizes: list[int]) -> list[dict[str, Any]]:
    """Return a row for each step and number of clips.

    Args:
        sizes: numbers of clips.
    """
    return [row for clips in sizes for row in _rows(clips)]


def _rows(clips: int) -> Iterator[dict[str, Any]]:
    with _project():
        for step in STEPS:
            seconds, peak_mb = _apart(step, clips)
            yield {
                "step": step,
                "clips": clips,
                "s": seconds,
                "peak MB": peak_mb,
                "left": _left(step),
            }


@contextmanager
def _project() -> Iterator[None]:
    """Work in an empty repository."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for command in (["git", "init", "-q"], [*DVC, "init", "-q"]):
                subprocess.run(command, check=True)
            yield
        finally:
            os.chdir(before)


ROOT = Path(__file__).parents[2]
DVC = [sys.executable, "-m", "dvc"]


def _apart(step: str, clips: int) -> tuple[float, float]:
    """Return seconds and peak megabytes of a step in a process of its own."""
    command = [sys.executable, "-m", "bench.scale.simulation", step, str(clips)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    seconds, peak_mb = json.loads(done.stdout)
    return seconds, peak_mb


def _left(step: str) -> str:
    """Return what a step left on the disk, in words."""
    shards = len([*OUT.glob("*.h5")])
    if step == WRITE:
        return f"media.csv of {Path('media.csv').stat().st_size / 1e6:.0f} MB"
    if step == EXTRACT:
        return f"{shards} shards"
    if step == ADD:
        listing = max(Path(".dvc/cache").rglob("*.dir"), key=lambda p: p.stat().st_mtime)
        return f"a list of {listing.stat().st_size / 1e6:.1f} MB"
    return ""


def write_manifest(clips: int) -> None:
    """Write media.csv, as `index` does once all digests are known."""
    manifest.write(Path("media.csv"), manifest.MEDIA, map(clip, range(clips)))


def clip(i: int) -> dict[str, str]:
    """Return a row of media.csv."""
    clip_id = f"scene_{i % SCENES}-city{i % 97}-{i // 1000}-{i}"
    digest = hashlib.sha256(clip_id.encode()).hexdigest()
    paths = {"audio": f"audio/{clip_id}.wav", "video": f"video/{clip_id}.mp4"}
    digests = {f"{kind}_sha256": digest for kind in paths}
    return {"clip_id": clip_id, "fold": "train", **paths, **digests}


def file_system() -> str:
    """Return the kind of file system that it runs on: that of TMPDIR."""
    mounts = Path("/proc/mounts")
    lines = mounts.read_text().splitlines() if mounts.is_file() else []
    kinds = {Path(line.split()[1]): line.split()[2] for line in lines}
    above = [tempfile.gettempdir(), *Path(tempfile.gettempdir()).parents]
    return next((kinds[Path(p)] for p in above if Path(p) in kinds), "unknown")


def row_bytes() -> int:
    """Return the length of a row of media.csv."""
    return len(",".join(clip(999_999)[column] for column in manifest.MEDIA)) + 1


def _keys() -> dict[str, str]:
    return {
        r["clip_id"]: extraction.key_of("simulated", r["audio_sha256"], r["video_sha256"])
        for r in manifest.read(Path("media.csv"), manifest.MEDIA)
    }


def extract(_clips: int) -> None:
    """Extract one number a clip: what a stage costs apart from encoding."""
    about = {"modality": "audio", "scope": "clip", "classes": json.dumps([])}
    extraction.extract(OUT, _keys(), lambda: partial(map, _nothing), about=about)


def _nothing(_clip_id: str) -> dict[str, np.ndarray]:
    return {"embedding": np.zeros((1, 1), np.float32)}


def add(_clips: int) -> None:
    """Let DVC hash the output and take it into its cache, as at the end of a stage."""
    _dvc("add", "-q", str(OUT))


def status(_clips: int) -> None:
    """Let DVC look whether anything has changed, as every `dvc repro` does for each stage."""
    _dvc("status", "-q")


def extract_again(clips: int) -> None:
    """Run the stage again over an output that DVC has removed, as it does; nothing is missing."""
    for path in OUT.glob("*.h5"):
        path.unlink()
    extract(clips)


def open_all(_clips: int) -> None:
    """Open every shard for what it holds, as `embed` does with data/media."""
    media.Library(OUT)


def read_all(_clips: int) -> None:
    """Read the embeddings of every clip into one array, as `train` does."""
    embeddings.read(OUT, list(_keys()))


def _dvc(*arguments: str) -> None:
    subprocess.run([*DVC, *arguments], check=True, stdout=subprocess.DEVNULL)


WRITE, EXTRACT, ADD = "write media.csv", "extract, the encoder left out", "DVC: hash and cache"
STEPS: dict[str, Callable[[int], None]] = {
    WRITE: write_manifest,
    EXTRACT: extract,
    ADD: add,
    "DVC: has anything changed?": status,
    "extract again, nothing missing": extract_again,
    "open every shard": open_all,
    "read every embedding": read_all,
}


def main(step: str, clips: int) -> None:
    """Run one step and print its seconds and peak megabytes, those of its children among them."""
    start = time.perf_counter()
    STEPS[step](clips)
    seconds = time.perf_counter() - start
    of_dvc = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    peak_mb = max(peak_bytes(), of_dvc) / 1e6
    print(json.dumps([seconds, peak_mb]))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
