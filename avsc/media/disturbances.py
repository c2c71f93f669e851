"""Disturb decoded clips: noise and gain of the sound, blur and darkness of the pictures.

What becomes of a clip hangs on its own samples, the kind, its strength and the seed: not on other
clips, their order, or which worker has it.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from jaxtyping import Float32, Float64, Shaped, UInt8
from scipy.ndimage import gaussian_filter

from avsc import spelling

VERSION = 1  # raised whenever what comes of a clip changes
MOST_DB = 200  # either way: more than float32 holds

Sound = Float32[np.ndarray, "row 2 sample"]
Pictures = UInt8[np.ndarray, "*row height width 3"]
Draw = Callable[[np.random.Generator, int], Float64[np.ndarray, "2 sample"]]


@dataclass(frozen=True)
class Kind:
    """A way to disturb a clip: how tables call it, the unit of its strength, and what it does."""

    name: str
    unit: str
    modality: str  # "audio" or "video"
    apply: Callable[[Any, float | int, int], np.ndarray]  # (clip, strength, seed) -> clip


@dataclass(frozen=True)
class Effect:
    """A kind of disturbance at one strength, under a name of its own."""

    name: str
    kind: Kind
    strength: float | int
    seed: int

    def __call__(self, x: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        """Return the clip disturbed: sound, or pictures, in the shape in which they came."""
        return self.kind.apply(x, self.strength, self.seed)


def white_noise(x: Sound, snr_db: float | int, seed: int) -> Sound:
    """Return the sound with white noise, as `_noisy`."""
    return _noisy(x, snr_db, seed, _white)


def pink_noise(x: Sound, snr_db: float | int, seed: int) -> Sound:
    """Return the sound with pink noise, of the same power in every octave, as `_noisy`."""
    return _noisy(x, snr_db, seed, _pink)


def gain(x: Sound, gain_db: float | int) -> Sound:
    """Return the sound at 10 ** (gain_db / 20) times its amplitude, clipped at [-1, 1].

    Raises:
        ValueError: if `gain_db` is beyond MOST_DB.
    """
    return np.clip(x * np.float32(10 ** (_decibels("gain_db", gain_db) / 20)), -1, 1)


def blur(x: Pictures, sigma_px: float | int) -> Pictures:
    """Return the pictures under a Gaussian; a border goes on as its last pixel.

    Args:
        x: pictures as `decode` keeps them: a pixel is one of decode.short_side_px.
        sigma_px: standard deviation, cut off at four of them.

    Raises:
        ValueError: if `sigma_px` is not a number above 0.
    """
    if not 0 < sigma_px < math.inf:
        raise ValueError(f"blur_px is {sigma_px}; expected a number above 0")
    sigmas = [0.0] * (x.ndim - 3) + [sigma_px, sigma_px, 0.0]
    smooth = gaussian_filter(x.astype(np.float32), sigmas, mode="nearest")
    return np.rint(smooth).clip(0, 255).astype(np.uint8)


def dark(x: Pictures, factor: float | int) -> Pictures:
    """Return the pictures with every stored value, gamma and all, times `factor`, rounded.

    Raises:
        ValueError: if `factor` is not between 0 (black) and 1.
    """
    if not 0 <= factor <= 1:
        raise ValueError(f"dark_factor is {factor}; expected 0 (black) to 1 (as it was)")
    return np.rint(x * np.float32(factor)).astype(np.uint8)


KINDS = {  # by their key in params.yaml
    "white_noise_db": Kind("white_noise", "dB", "audio", white_noise),
    "pink_noise_db": Kind("pink_noise", "dB", "audio", pink_noise),
    "gain_db": Kind("gain", "dB", "audio", lambda x, gain_db, _: gain(x, gain_db)),
    "blur_px": Kind("blur", "px", "video", lambda x, sigma_px, _: blur(x, sigma_px)),
    "dark_factor": Kind("dark", "factor", "video", lambda x, factor, _: dark(x, factor)),
}


def effects(
    asked: Mapping[str, Sequence[float | int]], *, modality: str, seed: int
) -> list[Effect]:
    """Return an effect for each strength of each kind.

    Args:
        asked: {key of KINDS: strengths}, as a block of params.yaml has them.
        modality: "audio" or "video", which all kinds must be of.
        seed: of what is drawn.

    Raises:
        ValueError: if there is no such kind of that modality, or a strength stands there twice.
    """
    own = {key: kind for key, kind in KINDS.items() if kind.modality == modality}
    if unknown := sorted(set(asked) - set(own)):
        near = spelling.nearest(unknown[0], own)
        raise ValueError(
            f"no disturbance {', '.join(unknown)} of {modality}; expected some of {', '.join(own)}"
            + (near and f"; {near}")
        )
    made = [Effect(f"{key}_{s:g}", own[key], s, seed) for key, some in asked.items() for s in some]
    names = [e.name for e in made]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ValueError(f"{', '.join(twice)} asked twice; list each strength once")
    return made


def _noisy(x: Sound, snr_db: float | int, seed: int, draw: Draw) -> Sound:
    """Return the sound with noise `snr_db` below it.

    The ratio is of the mean squares of clip and noise, over the whole clip and both channels, and
    holds for what is drawn, not on average. Levels of noise are the same draw at another amplitude.
    The noise goes on from row to row, is another one in each channel, and the sum is not clipped. A
    silent clip stays silent, for no noise is at any ratio to it.

    Args:
        x: rows of a clip that follow one another in time: seconds, or the whole clip.
        snr_db: signal-to-noise ratio.
        seed: of the draw, together with the samples.
        draw: noise of any amplitude.

    Raises:
        ValueError: if `snr_db` is beyond MOST_DB.
    """
    _decibels("noise_db", snr_db)
    sound = np.ascontiguousarray(x.swapaxes(0, 1)).reshape(2, -1)  # alike for seconds and clips
    noise = draw(np.random.default_rng(_seed(sound, seed)), sound.shape[1])
    wanted = np.square(sound, dtype=np.float64).mean() / 10 ** (snr_db / 10)
    noise *= np.sqrt(wanted / np.square(noise).mean())
    mixed = (sound + noise).astype(np.float32)
    return np.ascontiguousarray(mixed.reshape(2, len(x), -1).swapaxes(0, 1))


def _white(rng: np.random.Generator, samples: int) -> Float64[np.ndarray, "2 sample"]:
    return rng.standard_normal((2, samples))


def _pink(rng: np.random.Generator, samples: int) -> Float64[np.ndarray, "2 sample"]:
    """Return noise whose power falls as 1 / f, without an offset."""
    spectrum = scipy.fft.rfft(_white(rng, samples))
    spectrum[:, 0] = 0
    spectrum[:, 1:] /= np.sqrt(np.arange(1, spectrum.shape[1]))
    return scipy.fft.irfft(spectrum, n=samples)


def _seed(sound: Shaped[np.ndarray, "..."], seed: int) -> int:
    digest = hashlib.sha256(f"{seed} ".encode() + sound.tobytes()).digest()
    return int.from_bytes(digest[:8], "big")


def _decibels(name: str, value: float | int) -> float | int:
    if not abs(value) <= MOST_DB:  # nan is not
        raise ValueError(f"{name} is {value}; expected -{MOST_DB} to {MOST_DB}")
    return value
