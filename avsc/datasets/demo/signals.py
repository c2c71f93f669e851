"""What the sounds of the demo world are made of: noise, tones, beats, slow drift and filters."""

import numpy as np
import scipy.fft
from jaxtyping import Float32, Int64

SAMPLE_RATE = 16000  # of the synthesis; the world's files are written at 48 kHz

Wave = Float32[np.ndarray, " sample"]
Number = float | int
TAU = np.float32(2 * np.pi)


def noise(rng: np.random.Generator, num_samples: int) -> Wave:
    """Return white noise of unit variance."""
    return (rng.random(num_samples, dtype=np.float32) - np.float32(0.5)) * np.float32(12**0.5)


def sine(cycles: Wave) -> Wave:
    """Return sin(2 pi cycles)."""
    return np.sin(TAU * cycles)


def phase(hz: Number | Wave, num_samples: int, start: Number = 0) -> Wave:
    """Return the fractional part of the cycles that `hz`, fixed or a curve, has run through."""
    steps = np.broadcast_to(np.asarray(hz, np.float64) / SAMPLE_RATE, num_samples)
    cycles = start + np.cumsum(steps)
    return (cycles - np.floor(cycles)).astype(np.float32)


def beats(
    rng: np.random.Generator, num_samples: int, per_second: Number
) -> tuple[Int64[np.ndarray, " sample"], Wave]:
    """Return the number of the beat that each sample is in, and how far into it (0 to 1)."""
    rate = per_second * (1 + 0.1 * drift(rng, num_samples, 3))
    cycles = rng.uniform() + np.cumsum(rate, dtype=np.float64) / SAMPLE_RATE
    number = cycles.astype(np.int64)
    np.subtract(cycles, number, out=cycles)
    return number, cycles.astype(np.float32)


def drift(rng: np.random.Generator, num_samples: int, hz: Number) -> Wave:
    """Return a curve in [-1, 1] that moves to a new random value `hz` times a second."""
    step = SAMPLE_RATE / hz
    knots = rng.uniform(-1, 1, int(num_samples / step) + 2)
    return np.interp(np.arange(num_samples) / step, np.arange(len(knots)), knots).astype(np.float32)


def band(wave: Wave, low_hz: Number, high_hz: Number, *, order: int = 2) -> Wave:
    """Return `wave` with the spectrum outside the band falling by 6 * `order` dB an octave."""
    hz = np.maximum(scipy.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE).astype(np.float32), 10)
    gain = 1 / np.sqrt((1 + (low_hz / hz) ** (2 * order)) * (1 + (hz / high_hz) ** (2 * order)))
    return scipy.fft.irfft(scipy.fft.rfft(wave) * gain, len(wave))


def vowels(rng: np.random.Generator, wave: Wave, count: int) -> Float32[np.ndarray, "count sample"]:
    """Return `wave` through the formants of `count` random vowels."""
    hz = scipy.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE).astype(np.float32)
    centre = rng.uniform([300, 900, 2300], [800, 2100, 3000], (count, 3)).astype(np.float32)
    width = np.array([80, 130, 250], np.float32)
    level = np.array([1, 0.6, 0.3], np.float32)
    gain = sum(
        level[i] / (1 + ((hz - centre[:, i, None]) / width[i]) ** 2) for i in range(len(width))
    )
    return scipy.fft.irfft(scipy.fft.rfft(wave) * gain, len(wave))
