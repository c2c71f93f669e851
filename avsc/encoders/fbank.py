"""Long-term mel spectrum: 256 bands of mid and side, 512 ms windows every 171 ms."""

from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float32
from scipy.signal import get_window

from avsc.encoders._augment import Sound, sound_views
from avsc.encoders._spectrum import (
    Waveform,
    check_scope,
    check_waveform,
    magnitude,
    mel_filters,
    mid_side,
    samples,
)

VERSION = 1
AXES = 3  # of a row
TINY: dict[str, Any] = {}


class Encoder:
    """Log magnitude in mel bands of (L + R) / 2 and (L - R) / 2.

    The paper gives window length, hop, number of bands and both channels; the Hann window,
    Slaney's scale with filters of unit area and the natural logarithm are our choice.

    Args:
        scope: "segment" or "clip".
        sample_rate: of the waveform, in Hz.
        window_s: length of window and transform.
        hop_s: step between windows.
        n_mels: number of bands.
        f_min: lower edge of the first band, in Hz.
        f_max: upper edge of the last band, in Hz; None is half the sample rate.
        center: mirror half a window at both ends of the row: 6 frames a second, as many as the
            paper's hop gives; otherwise windows inside the row alone: 3. Nothing outside the row
            is used in either case.
        eps: added to the magnitude before the logarithm.

    References:
        Chen, Wang, Zhang, arXiv 2204.11420.
    """

    modality = "audio"

    def __init__(
        self,
        *,
        scope: str = "segment",
        sample_rate: int = 16000,
        window_s: float = 0.512,
        hop_s: float = 0.171,
        n_mels: int = 256,
        f_min: float = 0.0,
        f_max: float | None = None,
        center: bool = True,
        eps: float = 1e-5,
    ) -> None:
        check_scope(scope)
        self.scope, self.sample_rate, self.eps = scope, sample_rate, np.float32(eps)
        n_fft, hop_length = (samples(s, sample_rate=sample_rate) for s in (window_s, hop_s))
        n_fft += n_fft % 2  # so that a centred window reaches as far to both sides
        window = get_window("hann", n_fft).astype(np.float32)
        self.stft = partial(
            magnitude, window=window, hop_length=hop_length, n_fft=n_fft, center=center
        )
        self.filters = mel_filters(
            sample_rate=sample_rate, n_fft=n_fft, n_mels=n_mels, f_min=f_min, f_max=f_max
        )

    def __call__(self, x: np.ndarray) -> dict[str, Float32[np.ndarray, "row frame 2 mel"]]:
        """Encode float32 (row, 2, sample)."""
        check_waveform(x, scope=self.scope, sample_rate=self.sample_rate)
        return {"embedding": self._log_bands(x)}

    def views(
        self, x: np.ndarray, *, count: int, seed: int, **limits: float
    ) -> Float32[np.ndarray, "row view frame 2 mel"]:
        """Return the plain embedding and augmented ones; `time_mask` is 0, frames being few."""
        within = Sound(**{"time_mask": 0.0, **limits})
        return sound_views(self, x, within, count=count, seed=seed, front_end=self._log_bands)

    def _log_bands(self, x: Waveform) -> Float32[np.ndarray, "row frame 2 mel"]:
        bands = self.stft(mid_side(x)) @ self.filters.T
        return np.ascontiguousarray(np.log(bands + self.eps).swapaxes(1, 2))
