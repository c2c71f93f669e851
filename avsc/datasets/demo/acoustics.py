"""How a place sounds whatever happens in it: gain, equaliser, background noise, stereo balance."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from jaxtyping import Bool, Complex64, Float32

from avsc.datasets.demo import sounds
from avsc.datasets.demo.signals import SAMPLE_RATE

PEAK = 0.95  # recordings that would exceed it are turned down


@dataclass(frozen=True)
class Acoustics:
    """The nuisances of a location, drawn without knowing its scene."""

    gain_db: float
    tilt_db: float  # an octave
    resonance_hz: float
    resonance_db: float
    balance_db: float
    noise_db: float  # power relative to full scale
    noise_slope_db: float  # an octave

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Acoustics":
        """Return the acoustics of a new place."""
        return cls(
            gain_db=rng.uniform(-8, 6),
            tilt_db=rng.uniform(-1.5, 1.5),
            resonance_hz=2 ** rng.uniform(7, 12),
            resonance_db=rng.uniform(-6, 6),
            balance_db=rng.uniform(-2, 2),
            noise_db=rng.uniform(-56, -42),
            noise_slope_db=rng.uniform(-6, 0),
        )


def play(
    rng: np.random.Generator, sounding: Bool[np.ndarray, "second event"]
) -> Float32[np.ndarray, "2 sample"]:
    """Return the events' sounds, each run of seconds as one sound with its own level and pan."""
    mix = np.zeros((2, len(sounding) * SAMPLE_RATE), np.float32)
    for event in np.flatnonzero(sounding.any(axis=0)):
        edges = np.flatnonzero(np.diff(sounding[:, event], prepend=False, append=False))
        for start, stop in edges.reshape(-1, 2) * SAMPLE_RATE:
            level = 10 ** (rng.uniform(-34, -22) / 20)
            pan = rng.uniform(0.15, 0.85) * np.pi / 2
            sound = sounds.synthesize(int(event), rng, int(stop - start))
            mix[0, start:stop] += np.float32(level * np.cos(pan)) * sound
            mix[1, start:stop] += np.float32(level * np.sin(pan)) * sound
    return mix


def _db(level: np.ndarray | float) -> np.ndarray | np.float32:
    return np.float32(10) ** (np.asarray(level, np.float32) / np.float32(20))


def _white(rng: np.random.Generator, num_samples: int, bins: int) -> Complex64[np.ndarray, "2 bin"]:
    """Return `bins` of the spectrum of `num_samples` of white noise of unit variance."""
    angle = rng.random((2, bins), dtype=np.float32) * np.float32(2 * np.pi)
    spectrum = np.empty((2, bins), np.complex64)
    np.cos(angle, out=spectrum.real)
    np.sin(angle, out=spectrum.imag)
    return spectrum * np.float32(num_samples**0.5)


def _spectrum(
    rng: np.random.Generator, mix: Float32[np.ndarray, "2 sample"], place: Acoustics
) -> Complex64[np.ndarray, "2 bin"]:
    """Return the spectrum of the mix as heard in `place`, with its background noise."""
    num_samples = mix.shape[1]
    hz = scipy.fft.rfftfreq(num_samples, 1 / SAMPLE_RATE).astype(np.float32)
    octave = np.log2(np.maximum(hz, 50) / np.float32(1000))
    peak = (octave - np.log2(place.resonance_hz / 1000)) ** 2
    eq_db = place.tilt_db * octave + place.resonance_db * np.exp(-2 * peak)
    noise = _white(rng, num_samples, len(hz)) * _db(place.noise_db + place.noise_slope_db * octave)
    heard = (scipy.fft.rfft(mix) + noise) * _db(place.gain_db + eq_db)
    return heard * _db(np.array([[place.balance_db / 2], [-place.balance_db / 2]]))


def _limit(waveform: Float32[np.ndarray, "2 sample"]) -> Float32[np.ndarray, "2 sample"]:
    return waveform * np.float32(min(1, PEAK / np.abs(waveform).max()))


def record(
    rng: np.random.Generator, mix: Float32[np.ndarray, "2 sample"], place: Acoustics
) -> Float32[np.ndarray, "2 longer_sample"]:
    """Return what a microphone at 48 kHz hears: above the sounds' 8 kHz it adds its own hiss."""
    low, num_samples = _spectrum(rng, mix, place), 3 * mix.shape[1]
    high = _white(rng, num_samples, num_samples // 2 + 1 - low.shape[1]) * _db(-66 + place.gain_db)
    return _limit(scipy.fft.irfft(np.concatenate([3 * low, high], axis=1), num_samples))


def record_narrow(
    rng: np.random.Generator, mix: Float32[np.ndarray, "2 sample"], place: Acoustics
) -> Float32[np.ndarray, "2 sample"]:
    """Return what is left of `record` at 16 kHz behind a good anti-alias filter."""
    low = _spectrum(rng, mix, place)
    rolloff = np.clip(np.linspace(16, 0, low.shape[1], dtype=np.float32), 0, 1)
    return _limit(scipy.fft.irfft(low * rolloff**2, mix.shape[1]))
