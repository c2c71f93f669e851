"""Front ends: from a wav to AST's frames, scalogram and log-mel, beside librosa and transformers.

Ten seconds at 48 kHz, 24 bit, two channels, made here. Ours reads the file once. Instead of that:
librosa reads and resamples it for ASTFeatureExtractor, which takes seconds one at a time and fills
each up to 1024 frames, and again for the two spectra. Their scalogram has the trimmed bank as a
dense array, for the gain of trimming has a benchmark of its own.
"""

import tempfile
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import soundfile
from transformers import ASTFeatureExtractor

import avsc.encoders
from avsc.encoders.ast import TINY
from avsc.encoders.scalogram import morlets, weights
from avsc.media import sound
from bench._table import main
from bench._turns import Row, compared, difference, in_turns

RATE = 16_000
REACH = 2.5
Features = dict[str, np.ndarray]


def results(*, quick: bool = False) -> list[Row]:
    """Return two rows: from the file on, and from the resampled seconds on."""
    seconds, repeats = (2, 1) if quick else (10, 7)
    front, others = Ours(), Others()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.wav")
        write(path, seconds)
        cut = read(path, seconds)
        sides = {
            "ours": lambda: front(read(path, seconds)),
            "others": lambda: others(*(others.read(path, mono=m) for m in (True, False))),
            "ours, cut": partial(front, cut),
            "others, cut": partial(others, cut.mean(axis=1), cut),
        }
        given, took = in_turns(sides, repeats=repeats)
    return [
        compared(
            f"{seconds} s of a 48 kHz wav to three features",
            "librosa reading twice, ASTFeatureExtractor",
            took["ours"],
            took["others"],
            reach=REACH,
            remark="librosa resamples across the borders of seconds",
        ),
        compared(
            "of that, the features of given seconds",
            "the same, from the same samples",
            took["ours, cut"],
            took["others, cut"],
            difference=max(
                difference(a, given["others, cut"][name]) for name, a in given["ours, cut"].items()
            ),
        ),
    ]


def read(path: Path, seconds: int) -> np.ndarray:
    """Return (second, 2, sample) as decode does."""
    return sound.segments(path, sound.of(path), count=seconds, sample_rate=RATE)


class Ours:
    """The encoders of this project."""

    def __init__(self) -> None:
        self.ast = avsc.encoders.create("ast", **TINY)
        self.scalogram = avsc.encoders.create("scalogram")
        self.logmel = avsc.encoders.create("logmel")

    def __call__(self, x: np.ndarray) -> Features:
        """Return the three features of each second."""
        return {
            "ast": self.ast.prepare(x).numpy(),
            "scalogram": self.scalogram(x)["embedding"],
            "logmel": self.logmel(x)["embedding"],
        }


class Others:
    """The same features by the packages at hand, a second at a time."""

    def __init__(self) -> None:
        self.extract = ASTFeatureExtractor()
        self.bank = weights(morlets(n_fft=8192, q=41, low_pass=False)).toarray()

    def read(self, path: Path, *, mono: bool) -> np.ndarray:
        """Return (second, sample), or (second, 2, sample)."""
        wave, _ = librosa.load(path, sr=RATE, mono=mono)
        return np.stack(np.split(wave, wave.shape[-1] // RATE, axis=-1))

    def __call__(self, mono: np.ndarray, stereo: np.ndarray) -> Features:
        """Return the three features of each second."""
        frames = 98  # of a second; what follows is what the extractor filled up
        return {
            "ast": np.stack([self._ast(second)[:frames] for second in mono]),
            "scalogram": np.stack([self._scalogram(second) for second in stereo]),
            "logmel": np.stack([self.logmel(second.mean(axis=0)) for second in stereo]),
        }

    def _ast(self, second: np.ndarray) -> np.ndarray:
        return self.extract(second, sampling_rate=RATE, return_tensors="np")["input_values"][0]

    def _scalogram(self, second: np.ndarray) -> np.ndarray:
        mid_side = np.stack([second[0] + second[1], second[0] - second[1]]) / 2
        spectrum = librosa.stft(mid_side, n_fft=8192, hop_length=2736, pad_mode="reflect")
        return np.log((self.bank @ np.abs(spectrum)).transpose(2, 0, 1) + 1e-5)

    def logmel(self, second: np.ndarray) -> np.ndarray:
        """Return (frame, mel) of a second of one channel."""
        in_the_middle = np.pad(second, (512 - 400) // 2)  # where librosa puts a short window
        mel = librosa.feature.melspectrogram(
            y=in_the_middle,
            sr=RATE,
            n_fft=512,
            win_length=400,
            hop_length=160,
            window="hamming",
            center=False,
            n_mels=128,
        )
        return np.log(mel.T + 1e-10)


def write(path: Path, seconds: int) -> None:
    """Write noise and a tone."""
    rng, rate = np.random.default_rng(0), 48_000
    tone = np.sin(2 * np.pi * 440 * np.arange(seconds * rate) / rate)[:, None]
    stereo = 0.1 * rng.standard_normal((seconds * rate, 2)) + [[0.3, 0.2]] * tone
    soundfile.write(path, stereo.clip(-1, 1), rate, subtype="PCM_24")


if __name__ == "__main__":
    main("front_ends")
