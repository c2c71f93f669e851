"""Cached features to read and train on: our shards, and a data set for each segment."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import torch
from torch.utils.data import Dataset

from avsc.artifacts import extraction, shard

SEGMENTS = 10  # of a clip
TAU_CLIPS, TAU_TRAINING_CLIPS = 12_291, 8_646


def ids(count: int) -> list[str]:
    """Return names of clips."""
    return [f"clip{i:05d}" for i in range(count)]


def features(clip: int, dim: int) -> np.ndarray:
    """Return the rows of a clip, its own."""
    return np.random.default_rng(clip).standard_normal((SEGMENTS, dim), np.float32)


def write_shards(
    directory: Path, clip_id: Sequence[str], dim: int, *, modality: str, size: int
) -> None:
    """Write features as `embed` would, `size` clips a shard."""
    about = {"modality": modality, "scope": "segment", "classes": "[]"}
    for start in range(0, len(clip_id), size):
        block = clip_id[start : start + size]
        clips = {c: ("", {"embedding": features(start + i, dim)}) for i, c in enumerate(block)}
        path = directory / f"{extraction.key_of(modality, *block)[:20]}.h5"
        shard.write(path, clips, about=about, quarantined={})


def write_segments(path: Path, clip_id: Sequence[str], dim: int) -> list[str]:
    """Write a data set for each segment, and return their names."""
    with h5py.File(path, "w") as f:
        for i, c in enumerate(clip_id):
            for k, row in enumerate(features(i, dim)):
                f.create_dataset(f"{c}/{k}", data=row)
    return [f"{c}/{k}" for c in clip_id for k in range(SEGMENTS)]


class Segments(Dataset):
    """Segments out of files that are opened for every sample, one file a modality.

    Args:
        paths: files of `write_segments`.
        names: data sets, the same in each file.
    """

    def __init__(self, paths: Sequence[Path], names: Sequence[str]) -> None:
        self.paths, self.names = paths, names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> torch.Tensor:
        """Return the rows of all modalities, side by side."""
        rows = []
        for path in self.paths:
            with h5py.File(path, "r") as f:
                rows.append(torch.from_numpy(f[self.names[i]][()]))
        return torch.cat(rows)
