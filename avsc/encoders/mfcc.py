"""Mel-frequency cepstral coefficients: the orthonormal DCT-II of the log-mel spectrum."""

from typing import Any

import numpy as np
import scipy.fft
from jaxtyping import Float32

from avsc.encoders._augment import Sound, sound_views
from avsc.encoders._mel import LogMel
from avsc.encoders._spectrum import check_scope, check_waveform

VERSION = 1
AXES = 2  # of a row
TINY: dict[str, Any] = {}


class Encoder:
    """The first coefficients of the cosine transform of each log-mel frame.

    Args:
        scope: "segment" or "clip".
        n_mfcc: number of coefficients, the zeroth (loudness) included.
        sample_rate: of the waveform, in Hz.
        n_mels: number of mel bands.
        **mel: window_s, hop_s, n_fft, f_min, f_max and eps of `_mel.LogMel`.
    """

    modality = "audio"

    def __init__(
        self,
        *,
        scope: str = "segment",
        n_mfcc: int = 20,
        sample_rate: int = 16000,
        n_mels: int = 128,
        **mel: Any,
    ) -> None:
        check_scope(scope)
        if not 1 <= n_mfcc <= n_mels:
            raise ValueError(f"n_mfcc is {n_mfcc}; {n_mels} mel bands give 1 to {n_mels}")
        self.scope, self.sample_rate, self.n_mfcc = scope, sample_rate, n_mfcc
        self.logmel = LogMel(sample_rate=sample_rate, n_mels=n_mels, **mel)

    def __call__(self, x: np.ndarray) -> dict[str, Float32[np.ndarray, "row frame coefficient"]]:
        """Encode float32 (row, 2, sample)."""
        check_waveform(x, scope=self.scope, sample_rate=self.sample_rate)
        return {"embedding": self._cepstrum(self.logmel(x))}

    def views(
        self, x: np.ndarray, *, count: int, seed: int, **limits: float
    ) -> Float32[np.ndarray, "row view frame coefficient"]:
        """Return the plain embedding and augmented ones, masked before the cosine transform."""
        within = Sound(**limits)
        return sound_views(
            self, x, within, count=count, seed=seed, front_end=self.logmel, finish=self._cepstrum
        )

    def _cepstrum(
        self, logmel: Float32[np.ndarray, "row frame mel"]
    ) -> Float32[np.ndarray, "row frame coefficient"]:
        cepstrum = scipy.fft.dct(logmel, type=2, norm="ortho")
        return np.ascontiguousarray(cepstrum[..., : self.n_mfcc])
