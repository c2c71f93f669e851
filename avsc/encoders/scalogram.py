"""Long-term wavelet spectrum: 290 Morlet bands of mid and side, 512 ms windows every 171 ms."""

from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64
from scipy.signal import get_window
from scipy.sparse import csr_array

from avsc.encoders._augment import Sound, sound_views
from avsc.encoders._spectrum import (
    Waveform,
    check_scope,
    check_waveform,
    magnitude,
    mid_side,
    samples,
)

VERSION = 1
AXES = 3  # of a row
TINY: dict[str, Any] = {}
TAIL = 1e-7  # of a filter's peak; what lies below is rounding noise and, as float32, denormal


class Encoder:
    """Log magnitude in wavelet bands of (L + R) / 2 and (L - R) / 2, bands from low to high.

    The paper gives 290 filters and neither wavelet nor Q. Ours are the Morlet wavelets of deep
    scattering: constant Q as long as a wavelet is no longer than the window, below that of one
    width and linearly spaced. Q = 41 on the 8192 samples of a window at 16 kHz gives 58 + 232 = 290
    of them, and 41 more for each octave of the sample rate above. At 48 kHz, q 32 and low_pass give
    1 + 45 + 244 = 290 as well.

    Args:
        scope: "segment" or "clip".
        sample_rate: of the waveform, in Hz.
        window_s: length of window, transform and longest wavelet.
        hop_s: step between windows.
        q: wavelets an octave.
        low_pass: put a Gaussian around 0 Hz in front.
        center: mirror half a window at both ends of the row: 6 frames a second; otherwise windows
            inside the row alone: 3. Nothing outside the row is used in either case.
        eps: added to the magnitude before the logarithm.

    References:
        Chen, Wang, Zhang, arXiv 2204.11420: bands weight a magnitude spectrum. Anden, Mallat, "Deep
        scattering spectrum", IEEE TSP 2014, and scatnet's morlet_freq_1d: centres and widths. That
        the weights of a band sum to one is ours.
    """

    modality = "audio"

    def __init__(
        self,
        *,
        scope: str = "segment",
        sample_rate: int = 16000,
        window_s: float = 0.512,
        hop_s: float = 0.171,
        q: int = 41,
        low_pass: bool = False,
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
        self.filters = weights(morlets(n_fft=n_fft, q=q, low_pass=low_pass))

    def __call__(self, x: np.ndarray) -> dict[str, Float32[np.ndarray, "row frame 2 wavelet"]]:
        """Encode float32 (row, 2, sample)."""
        check_waveform(x, scope=self.scope, sample_rate=self.sample_rate)
        return {"embedding": self._log_bands(x)}

    def views(
        self, x: np.ndarray, *, count: int, seed: int, **limits: float
    ) -> Float32[np.ndarray, "row view frame 2 wavelet"]:
        """Return the plain embedding and augmented ones; `time_mask` is 0, frames being few."""
        within = Sound(**{"time_mask": 0.0, **limits})
        return sound_views(self, x, within, count=count, seed=seed, front_end=self._log_bands)

    def _log_bands(self, x: Waveform) -> Float32[np.ndarray, "row frame 2 wavelet"]:
        spectrum = self.stft(mid_side(x))
        bands = (self.filters @ spectrum.reshape(-1, spectrum.shape[-1]).T).T
        bands = bands.reshape(*spectrum.shape[:-1], -1).swapaxes(1, 2)
        return np.log(np.ascontiguousarray(bands) + self.eps)


def centres(
    *, n_fft: int, q: int
) -> tuple[Float64[np.ndarray, " linear"], Float64[np.ndarray, " constant_q"]]:
    """Return the centre frequencies, rising, in radians a sample: evenly spaced ones, then octaves.

    Raises:
        ValueError: if a wavelet of that Q does not fit into `n_fft` samples.
    """
    if n_fft < 8 * q:
        raise ValueError(
            f"a window of {n_fft} samples is too short for q {q}, which takes {8 * q} or more; "
            "raise window_s or lower q"
        )
    step, sigma0 = 2 ** (-1 / q), 2 / np.sqrt(3)
    count = 1 + round(np.log2(n_fft / (4 * q)) * q)
    octaves = (1 + step) / 2 * np.pi * step ** np.arange(count)
    quarter = sigma0 / (4 * _sigma(q))
    count_linear = round((step - quarter) / (1 - step))
    spacing = np.pi * step**count * (1 - quarter / step) / count_linear
    linear = octaves[-1] - spacing * np.arange(1, count_linear + 1)
    return linear[::-1], octaves[::-1]


def morlets(*, n_fft: int, q: int, low_pass: bool) -> Float64[np.ndarray, "wavelet bin"]:
    """Return the filters' responses at the bins of the spectrum, peaks of about one.

    Each is a Gaussian from which another one around 0 is subtracted so that it is 0 at 0 Hz.
    """
    linear, octaves = centres(n_fft=n_fft, q=q)
    width = np.concatenate([np.full(len(linear), octaves[0]), octaves]) / octaves[-1] / _sigma(q)
    centre, width = np.concatenate([linear, octaves])[:, None], width[:, None]
    bins = np.linspace(0, np.pi, n_fft // 2 + 1)
    gauss = np.exp(-(((bins - centre) / width) ** 2) / 2)
    gauss -= np.exp(-((centre / width) ** 2) / 2 - (bins / width) ** 2 / 2)
    if low_pass:
        gauss = np.concatenate([np.exp(-((bins / width[0]) ** 2) / 2)[None], gauss])
    return gauss


def weights(filters: Float64[np.ndarray, "wavelet bin"]) -> csr_array:
    """Return the filters as float32 rows that sum to one, their negligible tails left out."""
    kept = np.where(filters >= TAIL * filters.max(axis=1, keepdims=True), filters, 0)
    return csr_array((kept / kept.sum(axis=1, keepdims=True)).astype(np.float32))


def _sigma(q: int) -> float:
    """Return the standard deviation of the highest wavelet, in samples."""
    return float(1 / np.sqrt(3) / (1 - 2 ** (-1 / q)))
