"""CLAP's audio tower (HTS-AT), which learned sounds from what people write about them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from transformers import ClapAudioConfig, ClapAudioModelWithProjection

from avsc.encoders import UnfitError
from avsc.encoders._network import (
    Origin,
    Weights,
    check_weights,
    prepared_sound,
    seeded,
    tag,
    tagged_views,
)
from avsc.encoders._spectrum import check_scope, check_waveform, mel_filters, mid, resampled
from avsc.encoders._transformers import architecture, filled, pretrained

VERSION = 1
AXES = 1  # of a row
TINY: dict[str, Any] = {
    "weights": "random",
    "config": {
        "patch_size": 16,
        "patch_stride": [16, 16],
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "hidden_size": 16,
    },
    "sample_rate": 16000,
}
SAMPLE_RATE, SECONDS = 48000, 10
N_FFT, HOP_LENGTH = 1024, 480
F_MIN, F_MAX = 50.0, 14000.0
FLOOR = 1e-10


class Encoder:
    """What the tower gives its projection: the mean over time and frequency after the last norm.

    CLAP takes ten seconds. A shorter row is repeated as often as it fits, then filled up with
    silence, as in its training; a row is still all that its embedding depends on. CLAP listens
    between 50 Hz and 14 kHz: sound decoded at less than 28 kHz lacks what it learned from there.

    Args:
        name: of a checkpoint on the Hugging Face hub, or a folder that holds one; no "fused" one.
        revision: of that checkpoint; a commit hash makes it a fixed one.
        config: keys of transformers' ClapAudioConfig, whose defaults are this checkpoint's; of
            random weights and of a state dict, not with "pretrained".
        weights: "pretrained" (those of `name`), "random", or a state dict.
        scope: "segment", or "clip": up to ten seconds.
        seed: of random weights.
        sample_rate: of the waveform, in Hz; one other than CLAP's 48 kHz is resampled.
        batch_size: rows in one forward pass.
        device: where the model runs.

    References:
        Wu, Chen, Zhang et al., "Large-scale contrastive language-audio pretraining with feature
        fusion and keyword-to-caption augmentation", ICASSP 2023. Equal to transformers'
        ClapFeatureExtractor with truncation: rand_trunc, padding: repeatpad, and ClapAudioModel.
    """

    modality = "audio"

    def __init__(
        self,
        *,
        name: str = "laion/clap-htsat-unfused",
        revision: str = "main",
        config: Mapping[str, Any] | None = None,
        weights: Weights = "pretrained",
        scope: str = "segment",
        seed: int = 0,
        sample_rate: int = SAMPLE_RATE,
        batch_size: int = 16,
        device: str = "cpu",
    ) -> None:
        check_scope(scope)
        check_weights(weights)
        self.scope, self.sample_rate = scope, sample_rate
        self.batch_size = batch_size
        self.origin = Origin(name, revision) if weights == "pretrained" else None
        with seeded(seed):
            if weights == "pretrained":
                net = pretrained(Tower, name, revision, config)
            elif isinstance(weights, str):
                net = Tower(architecture(Tower, config or {}))
            else:
                net = filled(Tower, architecture(Tower, config or {}), weights)
            self.model = Model(net).to(device).eval()
        self.window = torch.hann_window(N_FFT)
        self.filters = torch.from_numpy(
            mel_filters(
                sample_rate=SAMPLE_RATE,
                n_fft=N_FFT,
                n_mels=net.config.num_mel_bins,
                f_min=F_MIN,
                f_max=F_MAX,
            )
        )

    def __call__(self, x: np.ndarray) -> dict[str, Float32[np.ndarray, "row _"]]:
        """Encode float32 (row, 2, sample)."""
        check_waveform(x, scope=self.scope, sample_rate=self.sample_rate)
        return tag(self.model, self.prepare, x, batch_size=self.batch_size)

    def views(
        self, x: np.ndarray, *, count: int, seed: int, **limits: float
    ) -> Float32[np.ndarray, "row view _"]:
        """Return the plain embedding and those of moved sound; of ten seconds, frames are masked.

        A row that is repeated keeps in one place what a mask covers in another.
        """
        return tagged_views(self, x, count=count, seed=seed, **limits)

    def prepare(self, x: np.ndarray) -> Float32[Tensor, "row 1001 mel"]:
        """Return the log-mel frames of (L + R) / 2, in dB."""
        check_waveform(x, scope=self.scope, sample_rate=self.sample_rate)
        if (seconds := x.shape[2] // self.sample_rate) > SECONDS:
            raise ValueError(
                f"rows last {seconds} s, CLAP takes {SECONDS} s at most; cut the sound"
            )
        sound = resampled(mid(x), rate=self.sample_rate, wanted=SAMPLE_RATE)
        repeated = torch.from_numpy(sound).repeat(1, SECONDS // seconds)
        filled = nn.functional.pad(repeated, (0, SECONDS * SAMPLE_RATE - repeated.shape[1]))
        spectrum = torch.stft(
            filled, N_FFT, HOP_LENGTH, window=self.window, pad_mode="reflect", return_complex=True
        )
        mel = spectrum.abs().square().mT @ self.filters.T
        return 10 * mel.clamp(min=FLOOR).log10()

    def prepare_view(
        self, x: np.ndarray, *, view: int, seed: int, **limits: float
    ) -> Float32[Tensor, "row 1001 mel"]:
        """Return the frames of moved sound, some of them and some bands covered."""
        return prepared_sound(self, x, view=view, seed=seed, **limits)


class Tower(ClapAudioModelWithProjection):
    """What is taken of a checkpoint; its texts and the projections of both may be there or not."""

    _keys_to_ignore_on_load_missing = [r"^audio_projection\."]  # noqa: RUF012
    _keys_to_ignore_on_load_unexpected = [r"^text_", r"^logit_scale_"]  # noqa: RUF012

    def __init__(self, config: ClapAudioConfig) -> None:
        if config.enable_fusion:
            name = config.name_or_path or "config"
            raise UnfitError(f"{name} is a fused CLAP, whose input is another; name an unfused one")
        super().__init__(config)


class Model(nn.Module):
    """Log-mel frames -> (embedding,); parameters named as in ClapAudioModelWithProjection."""

    def __init__(self, net: Tower) -> None:
        super().__init__()
        self.audio_model: Any = net.audio_model

    def forward(self, frames: Float[Tensor, "row frame mel"]) -> tuple[Float[Tensor, "row _"]]:
        """Return the embedding."""
        return (self.audio_model(frames[:, None]).pooler_output,)
