"""Log-mel frames of one-channel sound: the body of `logmel` and of `mfcc`."""

import numpy as np
from jaxtyping import Float32
from scipy.signal import get_window

from avsc.encoders._spectrum import Waveform, magnitude, mel_filters, mid


class LogMel:
    """Log power in mel bands of (L + R) / 2, from windows that lie inside the row.

    Args:
        sample_rate: of the waveform, in Hz.
        n_fft: length of the transform, in samples; windows are filled up with zeros.
        win_length: length of the Hamming window, in samples.
        hop_length: step between windows, in samples.
        n_mels: number of bands.
        f_min: lower edge of the first band, in Hz.
        f_max: upper edge of the last band, in Hz; None is half the sample rate.
        eps: added to the power before the logarithm.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        n_fft: int = 512,
        win_length: int = 400,
        hop_length: int = 160,
        n_mels: int = 128,
        f_min: float = 0.0,
        f_max: float | None = None,
        eps: float = 1e-10,
    ) -> None:
        if win_length > n_fft:
            raise ValueError(f"win_length {win_length} exceeds n_fft {n_fft}; raise n_fft")
        self.window = get_window("hamming", win_length).astype(np.float32)
        self.hop_length, self.n_fft, self.eps = hop_length, n_fft, np.float32(eps)
        self.filters = mel_filters(
            sample_rate=sample_rate, n_fft=n_fft, n_mels=n_mels, f_min=f_min, f_max=f_max
        )

    def __call__(self, x: Waveform) -> Float32[np.ndarray, "row frame mel"]:
        """Return ln(power + eps)."""
        spectrum = magnitude(
            mid(x), self.window, hop_length=self.hop_length, n_fft=self.n_fft, center=False
        )
        return np.log(spectrum**2 @ self.filters.T + self.eps)
