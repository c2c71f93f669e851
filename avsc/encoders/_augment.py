"""Augmented views: draws that hang on seed, row and view alone, and what they do to sound."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Shaped

from avsc.encoders import check_count
from avsc.encoders._spectrum import Waveform

Features = Float32[np.ndarray, "row frame ... band"]
MOST = {"shift_s": 0.5, "gain_db": 60, "time_mask": 1, "band_mask": 1}


@dataclass(frozen=True)
class Sound:
    """How far a view of a sound strays from it; every draw is uniform, 0 switches it off.

    The masks' limits are those of AST's recipe for environmental sounds (ESC-50), 24 of 128 bands
    and 96 of 512 frames; shift and gain are our choice.

    Args:
        shift_s: most that each second is rolled in itself, either way; half a second is any shift.
        gain_db: most that the row grows louder or softer. It may leave [-1, 1]: it is not clipped.
        time_mask: the longest run of frames that is covered, as a part of all frames.
        band_mask: the widest run of bands that is covered, as a part of all bands.

    Raises:
        ValueError: if a limit is below 0 or too large.

    References:
        Park et al., "SpecAugment", Interspeech 2019: one mask along each axis, no time warping.
        Gong, Chung, Glass, "AST", Interspeech 2021, and its repository, egs/esc50.
    """

    shift_s: float = 0.5
    gain_db: float = 6.0
    time_mask: float = 3 / 16
    band_mask: float = 3 / 16

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value <= MOST[name]:
                raise ValueError(f"{name} is {value}; expected 0 (off) to {MOST[name]}")

    def move(
        self, row: Float32[np.ndarray, "2 sample"], rng: np.random.Generator, *, second: int
    ) -> Float32[np.ndarray, "2 sample"]:
        """Return the row shifted and at another level; `second` is in samples."""
        most = round(self.shift_s * second)
        rolled = shifted(row, int(rng.integers(-most, most + 1)), second=second)
        return amplified(rolled, rng.uniform(-self.gain_db, self.gain_db))

    def cover(
        self, row: Float32[np.ndarray, "frame ... band"], rng: np.random.Generator
    ) -> Float32[np.ndarray, "frame ... band"]:
        """Return the features with a run of frames and a run of bands covered."""
        frames = run(row.shape[0], self.time_mask, rng)
        return covered(row, frames=frames, bands=run(row.shape[-1], self.band_mask, rng))


def sound_views(
    encoder: Any,
    x: Shaped[np.ndarray, "..."],
    limits: Sound,
    *,
    count: int,
    seed: int,
    front_end: Callable[[Waveform], Features],
    finish: Callable[[Features], np.ndarray] = np.asarray,
) -> Float32[np.ndarray, "row view ..."]:
    """Return the plain embedding and, behind it, `finish` of the covered features of moved sound.

    Args:
        encoder: gives the plain embedding, which also checks `x`, and has a `sample_rate`.
        x: what the encoder takes.
        limits: how far a view may stray.
        count: number of views, the plain one included.
        seed: of the draws.
        front_end: sound to features over time and frequency.
        finish: what the encoder does to those features.
    """

    def augmented(view: int) -> np.ndarray:
        second = encoder.sample_rate
        return finish(
            sound_view(x, limits, view=view, seed=seed, second=second, front_end=front_end)
        )

    return stacked(encoder(x)["embedding"], augmented, count=count)


def sound_view(
    x: Waveform,
    limits: Sound,
    *,
    view: int,
    seed: int,
    second: int,
    front_end: Callable[[Waveform], Features],
) -> Features:
    """Return the covered features of moved sound, of one view; `second` is in samples."""
    rngs = [np.random.default_rng(draw_of(row, seed=seed, view=view)) for row in x]
    pairs = zip(x, rngs, strict=True)
    moved = [limits.move(row, rng, second=second) for row, rng in pairs]
    features = zip(front_end(np.stack(moved)), rngs, strict=True)
    return np.stack([limits.cover(row, rng) for row, rng in features])


def stacked(
    plain: Float32[np.ndarray, "row ..."], augmented: Callable[[int], np.ndarray], *, count: int
) -> Float32[np.ndarray, "row view ..."]:
    """Return view 0, which is `plain`, and `augmented` of 1 to `count` - 1."""
    check_count(count)
    return np.stack([plain, *(augmented(view) for view in range(1, count))], axis=1)


def draw_of(row: Shaped[np.ndarray, "..."], *, seed: int, view: int) -> int:
    """Return the seed, of 63 bits, of one view of one row.

    It hangs on the row's content, not on its place: neither order nor company nor a second
    extraction of a part changes a view.
    """
    digest = hashlib.sha256(f"{seed} {view} ".encode() + row.tobytes()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def shifted(
    row: Float32[np.ndarray, "channel sample"], samples: int, *, second: int
) -> Float32[np.ndarray, "channel sample"]:
    """Return each second rolled in itself, what leaves its end coming in at its start."""
    seconds = row.reshape(len(row), -1, second)
    return np.roll(seconds, samples, axis=-1).reshape(row.shape)


def amplified(
    row: Float32[np.ndarray, "channel sample"], gain_db: float
) -> Float32[np.ndarray, "channel sample"]:
    """Return the row at 10 ** (gain_db / 20) times its amplitude."""
    return row * np.float32(10 ** (gain_db / 20))


def run(size: int, most: float, rng: np.random.Generator) -> slice:
    """Return a run of 0 to floor(most * size) places, then a start at which it fits."""
    width = int(rng.integers(0, int(most * size) + 1))
    start = int(rng.integers(0, size - width + 1))
    return slice(start, start + width)


def covered(
    row: Float32[np.ndarray, "frame *channel band"], *, frames: slice, bands: slice
) -> Float32[np.ndarray, "frame *channel band"]:
    """Return the row with these frames and bands at its mean, each channel's own."""
    out, mean = row.copy(), row.mean(axis=(0, -1))[..., None]
    out[frames] = mean
    out[..., bands] = mean
    return out
