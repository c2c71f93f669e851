"""Log-mel frames of one-channel sound: the body of `logmel` and of `mfcc`."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float32
from scipy.signal import get_window

from avsc.encoders._spectrum import (
    Waveform,
    magnitude,
    mel_edges,
    mel_filters,
    mid,
    samples,
)


class LogMel:
    """Log power in mel bands of (L + R) / 2, from windows that lie inside the row.

    Args:
        sample_rate: of the waveform, in Hz.
        window_s: length of the Hamming window.
        hop_s: step between windows.
        n_fft: length of the transform, in samples; windows are filled up with zeros. None is the
            least power of two that holds a window and gives every band a bin.
        n_mels: number of bands.
        f_min: lower edge of the first band, in Hz.
        f_max: upper edge of the last band, in Hz; None is half the sample rate.
        eps: added to the power before the logarithm.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        window_s: float = 0.025,
        hop_s: float = 0.010,
        n_fft: int | None = None,
        n_mels: int = 128,
        f_min: float = 0.0,
        f_max: float | None = None,
        eps: float = 1e-10,
    ) -> None:
        bands: dict[str, Any] = {"n_mels": n_mels, "f_min": f_min, "f_max": f_max}
        bands["sample_rate"] = sample_rate
        window = samples(window_s, sample_rate=sample_rate)
        if n_fft is None:
            edges_hz = mel_edges(**bands)
            narrowest_hz = (edges_hz[2:] - edges_hz[:-2]).min()
            n_fft = 1 << (max(window, math.ceil(sample_rate / narrowest_hz)) - 1).bit_length()
        if window > n_fft:
            raise ValueError(
                f"a window of {window_s} s has {window} samples, more than n_fft {n_fft}; leave "
                "n_fft out or raise it"
            )
        self.window = get_window("hamming", window).astype(np.float32)
        self.hop_length, self.n_fft = samples(hop_s, sample_rate=sample_rate), n_fft
        self.eps, self.filters = np.float32(eps), mel_filters(n_fft=n_fft, **bands)

    def __call__(self, x: Waveform) -> Float32[np.ndarray, "row frame mel"]:
        """Return ln(power + eps)."""
        spectrum = magnitude(
            mid(x), self.window, hop_length=self.hop_length, n_fft=self.n_fft, center=False
        )
        return np.log(spectrum**2 @ self.filters.T + self.eps)
