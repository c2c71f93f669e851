"""data/media/: shards of decoded clips.

waveform      (second, 2, sample_rate) float32, in [-1, 1]
jpeg          (byte,) uint8, the pictures of a clip one after the other
jpeg_length   (second,) int64, bytes of each picture
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avsc.artifacts import shard


def arrays(
    waveform: Float32[np.ndarray, "second channel sample"], pictures: Sequence[bytes]
) -> dict[str, np.ndarray]:
    """Return a clip as the arrays of a shard."""
    return {
        "waveform": waveform,
        "jpeg": np.frombuffer(b"".join(pictures), dtype=np.uint8),
        "jpeg_length": np.array([len(p) for p in pictures], dtype=np.int64),
    }


def pictures(clip: Mapping[str, np.ndarray]) -> list[bytes]:
    """Return the JPEG files of a clip."""
    return [part.tobytes() for part in np.split(clip["jpeg"], np.cumsum(clip["jpeg_length"])[:-1])]


class Library:
    """All clips of a directory of media shards, read one at a time.

    Attributes:
        key: {clip_id: key}.
    """

    def __init__(self, directory: Path) -> None:
        self._path: dict[str, Path] = {}
        self.key: dict[str, str] = {}
        self._sha256 = shard.listed(directory)
        for path in self._sha256:
            with shard.reading(path) as s:
                self._path.update(dict.fromkeys(s.clip_id, path))
                self.key.update(s.key)

    @cached_property
    def sample_rate(self) -> int | None:
        """Return the rate of the sound in Hz, None where no clip has sound."""
        if not self.key:
            return None
        first = next(iter(self.key))
        return self.read(first, ["waveform"])["waveform"].shape[2] or None

    def read(self, clip_id: str, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the named arrays of one clip."""
        path = self._path[clip_id]
        shard.check(path, self._sha256[path])
        with shard.reading(path) as s:
            return s.clip(clip_id, names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.key)
