"""Lay blocks of decoded sound where their timestamps say."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.plane import AudioPlane
from jaxtyping import Float32

from avsc.media.track import failure

MAX_GAP_S = Fraction(1, 10)  # a single hole or overlap may be so long
MAX_SLIP_S = Fraction(1, 50)  # sound may lie so far off; a lost frame of AAC or mp3 is longer
DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}

Samples = Float32[np.ndarray, "sample channel"]


@dataclass
class Line:
    """Sound that grows block by block.

    Timestamps of many containers are rounded to 1 ms, so blocks follow each other without a seam
    until they are MAX_SLIP_S off in sum. Then zeros fill the hole, or the overlap is left out.

    Attributes:
        path: of the file.
        rate: in Hz.
        blocks: so far, holes among them.
        start: when the first block starts, in s after time zero; None until a timestamp is known.
        length: samples so far.
        filled: samples that are zeros in holes.
        slip: how far the last block lies before its timestamp, in s.
    """

    path: Path
    rate: int
    blocks: list[Samples] = field(default_factory=list)
    start: Fraction | None = None
    length: int = 0
    filled: int = 0
    slip: Fraction = Fraction(0)

    @property
    def end(self) -> Fraction:
        """Return when the last block ends, in s after time zero."""
        return (self.start or Fraction(0)) + Fraction(self.length, self.rate)

    def add(self, block: Samples, at: Fraction | None) -> None:
        """Append a block.

        Args:
            block: of sound.
            at: its timestamp, in s after time zero; None where it has none.

        Raises:
            DecodeError: if time jumps by more than MAX_GAP_S.
        """
        if at is not None and self.start is None:
            self.start = at - Fraction(self.length, self.rate)
        if at is not None:
            block = self._moved(block, at)
        self._append(block)

    def _moved(self, block: Samples, at: Fraction) -> Float32[np.ndarray, "kept channel"]:
        slip = at - self.end
        if abs(slip - self.slip) > MAX_GAP_S:
            cause = f"the sound before ends at {float(self.end):.3f} s; cut the file there"
            raise failure(self.path, at, cause)
        gap = round(slip * self.rate) if abs(slip) > MAX_SLIP_S else 0
        if gap > 0:
            self._append(np.zeros((gap, block.shape[1]), np.float32))
            self.filled += gap
        self.slip = at - self.end if gap >= 0 else slip + Fraction(min(-gap, len(block)), self.rate)
        return block[max(-gap, 0) :]

    def _append(self, block: Samples) -> None:
        self.blocks.append(block)
        self.length += len(block)

    def from_zero(self) -> Samples:
        """Return all samples from time zero on, zeros before the first block."""
        samples = np.concatenate(self.blocks)
        first = round((self.start or Fraction(0)) * self.rate)
        return np.pad(samples, ((first, 0), (0, 0))) if first > 0 else samples[-first:]

    def notes(self) -> tuple[str, ...]:
        """Return what to say about a late start and about holes."""
        late, holes = float(self.start or 0), self.filled / self.rate
        found = [f"its sound starts at {late:.2f} s, silent before"] if late > MAX_GAP_S else []
        if holes:
            found.append(f"holes in its sound, {holes:.2f} s in all, are silent")
        return tuple(found)


def samples(frame: av.AudioFrame) -> Samples:
    """Return the samples of a frame in [-1, 1]."""
    # AudioFrame.planes reads past eight planes.
    count, is_planar = frame.layout.nb_channels, frame.format.is_planar
    dtype = DTYPES[frame.format.name.removesuffix("p")]
    width = 1 if is_planar else count
    planes = [
        np.frombuffer(memoryview(AudioPlane(frame, i)), dtype, frame.samples * width)
        for i in range(count if is_planar else 1)
    ]
    found = np.stack(planes, axis=1) if is_planar else planes[0].reshape(-1, count)
    if found.dtype == np.uint8:
        return (found.astype(np.float32) - 128) / 128
    full_scale = 2.0 ** (8 * found.itemsize - 1) if found.dtype.kind == "i" else 1.0
    return (found / full_scale).astype(np.float32)
