"""Labelled sounds and pictures of no scene: what AudioSet and ImageNet are to real taggers."""

import io
import zlib
from collections.abc import Iterator
from functools import partial

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from avsc.datasets.demo import acoustics, pictures
from avsc.datasets.demo.acoustics import Acoustics
from avsc.datasets.demo.pictures import Look
from avsc.datasets.demo.scenes import EVENTS, OBJECTS
from avsc.datasets.demo.signals import SAMPLE_RATE
from avsc.datasets.demo.workers import pool

KINDS = ("sounds", "pictures")
MOST_EVENTS, MOST_OBJECTS = 5, 6
AT_ONCE = 50  # examples

Examples = tuple[np.ndarray, Bool[np.ndarray, "n label"]]


def drawn(kind: str, n: int, *, seed: int, workers: int) -> Iterator[Examples]:
    """Return labelled sounds or pictures, in order, some at a time.

    Several processes draw them from the call on, whatever the caller does meanwhile.

    Args:
        kind: one of KINDS.
        n: number of examples.
        seed: as in `labelled_sounds`.
        workers: number of processes; the examples do not depend on it.

    Raises:
        ValueError: if there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"examples is {kind!r}, expected one of {', '.join(KINDS)}")
    draw = partial(_some_drawn, kind, seed)
    numbers = [range(n)[start : start + AT_ONCE] for start in range(0, n, AT_ONCE)]
    if workers == 1 or len(numbers) == 1:
        return map(draw, numbers)
    processes = pool(min(workers, len(numbers)))
    found = processes.map(draw, numbers)
    processes.shutdown(wait=False)  # once they have drawn what was asked for
    return found


def _some_drawn(kind: str, seed: int, numbers: range) -> Examples:
    draw = labelled_sounds if kind == "sounds" else labelled_pictures
    return draw(len(numbers), seed=seed, first=numbers.start)


def _example_rng(kind: str, seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(kind.encode()), number])


def _some(rng: np.random.Generator, num_items: int, most: int) -> Bool[np.ndarray, " item"]:
    """Return 1 to `most` random items as a mask."""
    chosen = rng.permutation(num_items)[: rng.integers(1, most + 1)]
    return np.isin(np.arange(num_items), chosen)


def labelled_sounds(
    n: int, *, seed: int, first: int = 0
) -> tuple[Float32[np.ndarray, "n 2 sample"], Bool[np.ndarray, "n event"]]:
    """Return `n` stereo sounds of one second at 16 kHz, from number `first`, and their EVENTS.

    The places are drawn anew for every sound: none is a location of a demo world. Sound i depends
    on `seed` and i alone.
    """
    waveform = np.empty((n, 2, SAMPLE_RATE), np.float32)
    label = np.empty((n, len(EVENTS)), bool)
    for i in range(n):
        rng = _example_rng("labelled sound", seed, first + i)
        label[i] = _some(rng, len(EVENTS), MOST_EVENTS)
        mix = acoustics.play(rng, label[i, None])
        waveform[i] = acoustics.record_narrow(rng, mix, Acoustics.draw(rng))
    return waveform, label


def labelled_pictures(
    n: int, *, seed: int, first: int = 0, width_px: int = 192, height_px: int = 144
) -> tuple[UInt8[np.ndarray, "n height width 3"], Bool[np.ndarray, "n object"]]:
    """Return `n` pictures as JPEG leaves them, from number `first`, and their OBJECTS.

    The places are drawn anew for every picture: none is a location of a demo world. Picture i
    depends on `seed` and i alone.
    """
    size = {"width_px": width_px, "height_px": height_px}
    picture = np.empty((n, height_px, width_px, 3), np.uint8)
    label = np.empty((n, len(OBJECTS)), bool)
    for i in range(n):
        rng = _example_rng("labelled picture", seed, first + i)
        label[i] = _some(rng, len(OBJECTS), MOST_OBJECTS)
        look = Look.draw(rng)
        wide = pictures.wide(rng, label[i, None], look, **size)[0]
        sharp = pictures.crop(wide, pictures.shake(rng, look, num_frames=1)[0], **size)
        picture[i] = _compressed(sharp, quality=int(rng.integers(40, 95)))
    return picture, label


def _compressed(
    picture: UInt8[np.ndarray, "height width 3"], *, quality: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Return `picture` as JPEG leaves it: a stand-in for video compression."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))
