"""The sixteen sounds of the demo world, one function an event, synthesised at 16 kHz."""

from collections.abc import Callable

import numpy as np

from avsc.datasets.demo.scenes import EVENTS
from avsc.datasets.demo.signals import (
    SAMPLE_RATE,
    TAU,
    Wave,
    band,
    beats,
    drift,
    noise,
    phase,
    sine,
    vowels,
)


def _tones(
    num_samples: int, hz: list[float], levels: list[float], decays_s: list[float], since_s: Wave
) -> Wave:
    """Return steady partials that are struck at every moment where `since_s` is 0."""
    total = np.zeros(num_samples, np.float32)
    for f, level, decay in zip(hz, levels, decays_s, strict=True):
        total += np.float32(level) * sine(phase(f, num_samples)) * np.exp(since_s * -1 / decay)
    return total


def bird_song(rng: np.random.Generator, num_samples: int) -> Wave:
    """Chirps that sweep and trill between 2 and 6 kHz."""
    number, x = beats(rng, num_samples, rng.uniform(2, 5))
    shapes = rng.uniform([0.8, -0.35, 0.3], [1.2, 0.35, 0.7], (number[-1] + 1, 3))
    height, bend, duty = shapes.astype(np.float32)[number].T
    x = x / duty
    trill = np.float32(rng.uniform(0, 0.12)) * sine(phase(rng.uniform(15, 40), num_samples))
    hz = np.float32(rng.uniform(2600, 4300)) * height * (1 + bend * (x - 0.5) + trill)
    swell = np.where(x < 1, np.sin(x * TAU / 2), 0) ** 2
    return swell * sine(phase(hz, num_samples))


def footsteps(rng: np.random.Generator, num_samples: int) -> Wave:
    """Heel and toe: two short thuds of filtered noise a step, about two steps a second."""
    rate = rng.uniform(1.6, 2.6)
    _, x = beats(rng, num_samples, rate)
    since_s = x / np.float32(rate)
    toe_s = since_s - np.float32(rng.uniform(0.06, 0.12))
    thud = np.exp(since_s * -60) + np.where(toe_s > 0, 0.6 * np.exp(-90 * toe_s), 0)
    low_hz = rng.uniform(120, 400)
    return band(noise(rng, num_samples) * thud, low_hz, low_hz * rng.uniform(4, 8))


def engine(rng: np.random.Generator, num_samples: int) -> Wave:
    """A throbbing stack of low harmonics over rumble."""
    hz = rng.uniform(28, 60) * (1 + 0.12 * drift(rng, num_samples, 1.5))
    cycles = phase(hz, num_samples)
    throb = 1 + np.float32(rng.uniform(0.4, 0.8)) * sine(cycles)
    strokes = np.exp(-6 * cycles) - np.float32(0.16) + 0.25 * noise(rng, num_samples) * throb
    return band(strokes * throb, 40, rng.uniform(350, 900))


def siren(rng: np.random.Generator, num_samples: int) -> Wave:
    """A loud tone that wails up and down, or jumps between two notes."""
    sweep = phase(rng.uniform(0.8, 2.5), num_samples, rng.uniform())
    low_hz, ratio = rng.uniform(450, 750), rng.uniform(1.33, 2)
    two_tone = rng.random() < 0.5
    shape = (sweep < 0.5).astype(np.float32) if two_tone else 0.5 + 0.5 * sine(sweep)
    cycles = phase(np.float32(low_hz) * np.float32(ratio) ** shape, num_samples)
    return sine(cycles) + 0.5 * sine(2 * cycles) + 0.35 * sine(3 * cycles)


def rail_squeal(rng: np.random.Generator, num_samples: int) -> Wave:
    """Wheels in a curve: narrow, unsteady, inharmonic whistles over a low roll."""
    roll = band(noise(rng, num_samples), 60, 250)
    total = np.float32(1.2) * roll
    for hz in rng.uniform(1800, 5200, 3).tolist():
        wobble = 1 + 0.01 * drift(rng, num_samples, 40) + 0.03 * drift(rng, num_samples, 2)
        swell = (0.65 + 0.35 * drift(rng, num_samples, 4)) ** 2
        total += np.float32(rng.uniform(0.4, 1)) * swell * sine(phase(hz * wobble, num_samples))
    return total


def _voice(rng: np.random.Generator, num_samples: int, hz: float) -> Wave:
    """Return the buzz of vocal cords in syllables, before the formants."""
    pitch = hz * (1 + 0.15 * drift(rng, num_samples, 3))
    _, x = beats(rng, num_samples, rng.uniform(3, 5))
    return (2 * phase(pitch, num_samples) - 1) * np.sin(x * TAU / 2) ** 2


def announcement(rng: np.random.Generator, num_samples: int) -> Wave:
    """One voice through a loudspeaker, with its echo."""
    buzz = _voice(rng, num_samples, rng.uniform(110, 240))
    spoken = vowels(rng, buzz, 3)
    turns = [np.abs(drift(rng, num_samples, 5)) for _ in spoken]
    speech = sum(turn * vowel for turn, vowel in zip(turns, spoken, strict=True))
    late = int(rng.uniform(0.05, 0.12) * SAMPLE_RATE)
    speech[late:] += 0.5 * speech[:-late]
    return band(speech, 450, 3200, order=4)


def babble(rng: np.random.Generator, num_samples: int) -> Wave:
    """Many people talking at once: voices without words, and breath."""
    crowd = 0.15 * noise(rng, num_samples)
    for hz in rng.uniform(90, 280, 4).tolist():
        crowd += np.float32(rng.uniform(0.5, 1)) * _voice(rng, num_samples, hz)
    return vowels(rng, crowd, 3).sum(axis=0)


def bell(rng: np.random.Generator, num_samples: int) -> Wave:
    """A church bell: inharmonic partials that ring for a second."""
    rate, hz = rng.uniform(1, 1.6), rng.uniform(280, 620)
    _, x = beats(rng, num_samples, rate)
    ratios = np.array([0.5, 1, 1.2, 1.5, 2, 2.5, 3, 4.2]) * rng.normal(1, 0.004, 8)
    decays_s = [1.2, 0.9, 0.7, 0.5, 0.5, 0.3, 0.3, 0.15]
    levels = [0.6, 1.0, 0.8, 0.4, 0.9, 0.4, 0.4, 0.3]
    return _tones(num_samples, list(hz * ratios), levels, decays_s, x / np.float32(rate))


def wind(rng: np.random.Generator, num_samples: int) -> Wave:
    """Gusts of low noise and a faint whistle."""
    gust = (0.6 + 0.4 * drift(rng, num_samples, rng.uniform(2, 4))) ** 2
    howl_hz = rng.uniform(350, 800)
    air = noise(rng, num_samples)
    return gust * (
        band(air, 60, rng.uniform(200, 350)) + 1.2 * band(air, howl_hz, howl_hz, order=6)
    )


def horn(rng: np.random.Generator, num_samples: int) -> Wave:
    """Blasts of two harsh notes a third apart."""
    number, x = beats(rng, num_samples, rng.uniform(1, 2.2))
    blast_until = rng.uniform(0.3, 0.8, number[-1] + 1).astype(np.float32)[number]
    gate = np.clip(40 * np.minimum(x, blast_until - x), 0, 1)
    hz, total = rng.uniform(320, 480), np.zeros(num_samples, np.float32)
    for note in (hz, hz * rng.uniform(1.2, 1.3)):
        total += np.tanh(3 * sine(phase(note, num_samples)) + np.float32(0.8))
    return band(gate * (total - total.mean()), 250, 4500)


def music(rng: np.random.Generator, num_samples: int) -> Wave:
    """Plucked notes of a pentatonic scale over a held chord and a bass."""
    rate, root_hz = rng.uniform(2, 4.5), rng.uniform(220, 400)
    number, x = beats(rng, num_samples, rate)
    scale = np.array([0, 2, 4, 7, 9, 12])
    notes = (2 ** (rng.choice(scale, number[-1] + 1) / 12)).astype(np.float32)[number]
    lead = phase(np.float32(2 * root_hz) * notes, num_samples)
    pluck = np.exp(x * np.float32(-4 / rate)) * (
        sine(lead) + 0.5 * sine(2 * lead) + 0.3 * sine(3 * lead)
    )
    chord = [sine(phase(root_hz * 2 ** (step / 12), num_samples)) for step in (0, 4, 7)]
    bass = sine(phase(root_hz / 2, num_samples)) * np.exp(-3 * x)
    return pluck + 0.3 * sum(chord) + 0.8 * bass


def rolling_luggage(rng: np.random.Generator, num_samples: int) -> Wave:
    """Small hard wheels that clatter over the joints of tiles."""
    rate = rng.uniform(11, 22)
    _, x = beats(rng, num_samples, rate)
    clatter = np.exp(x * np.float32(-120 / rate)) + np.float32(0.12)
    low_hz = rng.uniform(700, 1300)
    return band(noise(rng, num_samples) * clatter, low_hz, low_hz * rng.uniform(2, 4))


def door_beep(rng: np.random.Generator, num_samples: int) -> Wave:
    """A pure tone switched on and off a few times a second."""
    on = phase(rng.uniform(2.5, 7), num_samples, rng.uniform()) < 0.5
    cycles = phase(rng.uniform(900, 2300), num_samples)
    return on * (sine(cycles) + np.float32(0.25) * sine(3 * cycles))


def water(rng: np.random.Generator, num_samples: int) -> Wave:
    """A fountain: bright, restless splashing and bubbles."""
    splash = (1 + drift(rng, num_samples, 90)) ** 2
    hiss = band(noise(rng, num_samples) * splash, rng.uniform(1200, 2500), 7000)
    _, x = beats(rng, num_samples, rng.uniform(14, 24))
    bubble = sine(phase(500 + 700 * x + 200 * drift(rng, num_samples, 25), num_samples))
    return hiss + 0.35 * bubble * np.exp(-5 * x)


def tram_bell(rng: np.random.Generator, num_samples: int) -> Wave:
    """A gong struck several times a second: bright metal that dies at once."""
    rate, hz = rng.uniform(3.5, 7), rng.uniform(850, 1500)
    _, x = beats(rng, num_samples, rate)
    hzs, decays_s = [hz, 2.01 * hz, 2.76 * hz, 4.1 * hz], [0.12, 0.09, 0.07, 0.04]
    return _tones(num_samples, hzs, [1.0, 0.5, 0.8, 0.5], decays_s, x / np.float32(rate))


def hum(rng: np.random.Generator, num_samples: int) -> Wave:
    """A ventilator: steady mains harmonics in a bed of dull noise."""
    hz, total = (
        rng.choice([50.0, 60.0]) * rng.uniform(0.97, 1.03),
        np.zeros(num_samples, np.float32),
    )
    for harmonic in (2, 4, 6, 8, 12):
        level = np.float32(rng.uniform(0.3, 1) / harmonic**0.5)
        total += level * sine(phase(hz * harmonic, num_samples))
    return total + 0.6 * band(noise(rng, num_samples), 150, rng.uniform(500, 900))


SYNTHESES: tuple[Callable[[np.random.Generator, int], Wave], ...] = tuple(
    globals()[event] for event in EVENTS
)


def synthesize(event: int, rng: np.random.Generator, num_samples: int) -> Wave:
    """Return the sound of EVENTS[event] with unit power and soft edges."""
    sound = SYNTHESES[event](rng, num_samples)
    sound = sound / np.sqrt(np.mean(sound**2) + np.float32(1e-12))
    edge = np.linspace(0, 1, SAMPLE_RATE // 100, dtype=np.float32)
    sound[: len(edge)] *= edge
    sound[-len(edge) :] *= edge[::-1]
    return sound
