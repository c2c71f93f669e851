"""Log-mel spectrum: 128 bands, 25 ms Hamming windows every 10 ms (98 frames a second)."""

from typing import Any

import numpy as np
from jaxtyping import Float32

from avsc.encoders._augment import Sound, sound_views
from avsc.encoders._mel import LogMel
from avsc.encoders._spectrum import check_scope, check_waveform

VERSION = 1
AXES = 2  # of a row
TINY: dict[str, Any] = {}


class Encoder:
    """Log power in mel bands of (L + R) / 2.

    The paper gives window, hop and number of bands; Slaney's scale with filters of unit area, the
    natural logarithm and no window beyond the row are our choice.

    Args:
        scope: "segment" or "clip".
        sample_rate: of the waveform, in Hz.
        **mel: window_s, hop_s, n_fft, n_mels, f_min, f_max and eps of `_mel.LogMel`.

    References:
        Hou, Kang, Botteldooren, arXiv 2208.02086.
    """

    modality = "audio"

    def __init__(self, *, scope: str = "segment", sample_rate: int = 16000, **mel: Any) -> None:
        check_scope(scope)
        self.scope, self.sample_rate = scope, sample_rate
        self.logmel = LogMel(sample_rate=sample_rate, **mel)

    def __call__(self, x: np.ndarray) -> dict[str, Float32[np.ndarray, "row frame mel"]]:
        """Encode float32 (row, 2, sample)."""
        check_waveform(x, scope=self.scope, sample_rate=self.sample_rate)
        return {"embedding": self.logmel(x)}

    def views(
        self, x: np.ndarray, *, count: int, seed: int, **limits: float
    ) -> Float32[np.ndarray, "row view frame mel"]:
        """Return the plain embedding and augmented ones; limits as in `_augment.Sound`."""
        within = Sound(**limits)
        return sound_views(self, x, within, count=count, seed=seed, front_end=self.logmel)
