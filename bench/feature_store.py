"""Feature store: a full-size cached feature from our shards, beside a data set for each segment.

12 291 clips x 10 seconds x 1024 numbers, half a gigabyte, just written and so in the page cache.
Instead of that: an HDF5 file with a data set for each segment, opened for every sample by a
DataLoader that makes batches of 64. Ours is read into memory that the process got for it, and into
memory that it still had from the turn before: a virtual machine may take longer to hand half a
gigabyte out than reading takes. Where the C library is not glibc, both get fresh memory.
"""

import ctypes
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from avsc.artifacts import embeddings
from bench._features import (
    SEGMENTS,
    TAU_CLIPS,
    Segments,
    ids,
    write_segments,
    write_shards,
)
from bench._table import main
from bench._turns import Row, compared, difference, in_turns

REACH = 50.0


def results(*, quick: bool = False) -> list[Row]:
    """Return a row for each kind of memory."""
    clips, dim, sample, repeats = (50, 16, 10, 1) if quick else (TAU_CLIPS, 1024, 400, 5)
    clip_id = ids(clips)
    with tempfile.TemporaryDirectory() as folder:
        directory, single = Path(folder, "shards"), Path(folder, "segments.h5")
        write_shards(directory, clip_id, dim, modality="audio", size=64)
        names = write_segments(single, clip_id[: 3 * sample], dim)[: sample * SEGMENTS]
        sides = {
            "ours": lambda: embeddings.read(directory, clip_id).rows,
            "segments": lambda: one_by_one(single, names),
        }
        turns = {"fresh memory": in_turns(sides, repeats=repeats)}
        with memory_kept():
            turns["memory at hand"] = in_turns(sides, repeats=repeats)
    return [
        compared(
            f"{clips} x {SEGMENTS} x {dim} into {memory}",
            "a data set a segment, opened for every sample",
            took["ours"],
            took["segments"] * clips / sample,
            reach=REACH,
            difference=difference(given["ours"][: len(names)], given["segments"]),
            remark=f"extrapolated from {len(names)} of {clips * SEGMENTS} segments",
        )
        for memory, (given, took) in turns.items()
    ]


@contextmanager
def memory_kept() -> Iterator[None]:
    """Let the process keep, inside, what it frees: glibc's M_MMAP_MAX and M_TRIM_THRESHOLD."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)
    mallopt(-4, 0)
    mallopt(-1, 2**31 - 1)
    try:
        yield
    finally:
        mallopt(-4, 65536)
        mallopt(-1, 128 * 1024)


def one_by_one(path: Path, names: list[str]) -> torch.Tensor:
    """Return the rows of `names`."""
    return torch.cat(list(DataLoader(Segments([path], names), batch_size=64)))


if __name__ == "__main__":
    main("feature_store")
