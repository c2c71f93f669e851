"""Audio Spectrogram Transformer: tags sounds, by default with AudioSet's 527 classes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from avsc.encoders import _ast
from avsc.encoders._kaldi import fbank, frame_count
from avsc.encoders._network import (
    Origin,
    Weights,
    check_weights,
    prepared_sound,
    seeded,
    tag,
    tagged_views,
)
from avsc.encoders._spectrum import check_scope, check_waveform, mid, resampled

VERSION = 1
AXES = 1  # of a row
TINY: dict[str, Any] = {
    "weights": "random",
    "config": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_length": 208,
    },
    "classes": ["bell", "horn", "wind"],
}
SAMPLE_RATE = 16000


class Encoder:
    """The mean of the class and the distillation token after the last norm, and the class logits.

    Sound shorter than the model's grid is not filled up with silence: the position embedding is cut
    to the middle of the grid, as the authors of AST do. One second is 98 frames of 1024.

    Args:
        name: of a checkpoint on the Hugging Face hub, or a folder that holds one.
        revision: of that checkpoint; a commit hash makes it a fixed one.
        config: keys of transformers' ASTConfig, instead of those of `name`; not with "pretrained".
        weights: "pretrained" (those of `name`), "random", or a state dict, whose position embedding
            may be of a longer grid.
        classes: names of the classes; None takes them from the config.
        scope: "segment", or "clip": up to `max_length` frames of 10 ms.
        seed: of random weights.
        mean: of the log-mel values the checkpoint was trained on; the default is AudioSet's.
        std: their standard deviation.
        sample_rate: of the waveform, in Hz; one other than AST's 16 kHz is resampled.
        batch_size: rows in one forward pass.
        device: where the model runs.

    References:
        Gong, Chung, Glass, "AST: Audio Spectrogram Transformer", Interspeech 2021. Equal to
        transformers' ASTFeatureExtractor and ASTForAudioClassification where no cut is needed.
    """

    modality = "audio"

    def __init__(
        self,
        *,
        name: str = "MIT/ast-finetuned-audioset-10-10-0.4593",
        revision: str = "main",
        config: Mapping[str, Any] | None = None,
        weights: Weights = "pretrained",
        classes: list[str] | None = None,
        scope: str = "segment",
        seed: int = 0,
        mean: float = -4.2677393,
        std: float = 4.5689974,
        sample_rate: int = SAMPLE_RATE,
        batch_size: int = 32,
        device: str = "cpu",
    ) -> None:
        check_scope(scope)
        check_weights(weights)
        self.scope, self.mean, self.std, self.sample_rate = scope, mean, std, sample_rate
        self.batch_size = batch_size
        self.origin = Origin(name, revision) if weights == "pretrained" else None
        with seeded(seed):
            net = _model(name, revision, config, classes=classes, weights=weights)
        self.model = net.to(device).eval()
        self.classes = classes if isinstance(net, _ast.Model) else _names(net.config, classes)

    def __call__(self, x: np.ndarray) -> dict[str, Float32[np.ndarray, "row _"]]:
        """Encode float32 (row, 2, sample)."""
        check_waveform(x, scope=self.scope, sample_rate=self.sample_rate)
        return tag(self.model, self.prepare, x, batch_size=self.batch_size)

    def views(
        self, x: np.ndarray, *, count: int, seed: int, **limits: float
    ) -> Float32[np.ndarray, "row view _"]:
        """Return the plain embedding and those of moved sound with masked frames."""
        return tagged_views(self, x, count=count, seed=seed, **limits)

    def prepare(self, x: np.ndarray) -> Float32[Tensor, "row frame mel"]:
        """Return the normalised log-mel frames of (L + R) / 2."""
        check_waveform(x, scope=self.scope, sample_rate=self.sample_rate)
        seconds, most = x.shape[2] // self.sample_rate, self.model.config.max_length
        if (frames := frame_count(seconds * SAMPLE_RATE, SAMPLE_RATE)) > most:
            raise ValueError(
                f"{seconds} s give {frames} frames, this AST takes {most}; "
                "cut the sound or raise max_length in config"
            )
        sound = resampled(mid(x), rate=self.sample_rate, wanted=SAMPLE_RATE)
        bands = self.model.config.num_mel_bins
        mel = fbank(torch.from_numpy(sound), sample_rate=SAMPLE_RATE, num_mel_bins=bands)
        return (mel - self.mean) / (2 * self.std)

    def prepare_view(
        self, x: np.ndarray, *, view: int, seed: int, **limits: float
    ) -> Float32[Tensor, "row frame mel"]:
        """Return the frames of moved sound, some of them and some bands covered."""
        return prepared_sound(self, x, view=view, seed=seed, **limits)


def _model(
    name: str,
    revision: str,
    config: Mapping[str, Any] | None,
    *,
    classes: list[str] | None,
    weights: Weights,
) -> Any:
    """Return the network, without transformers where config and weights are plain."""
    if config is not None and classes is not None and not isinstance(weights, str):
        found = _ast.model(config, len(classes), weights)
        if found is not None:
            return found
    from avsc.encoders import _ast_transformers

    return _ast_transformers.model(name, revision, config, classes=classes, weights=weights)


def _names(config: Any, classes: list[str] | None) -> list[str]:
    """Return the names of the classes, given or the checkpoint's."""
    if classes is not None and len(classes) != config.num_labels:
        raise ValueError(
            f"{len(classes)} classes are named, the checkpoint has {config.num_labels}; "
            "leave classes out to take its own"
        )
    return classes or [config.id2label[i] for i in range(config.num_labels)]
