"""Audio Spectrogram Transformer: tags sounds, by default with AudioSet's 527 classes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from transformers import ASTConfig, ASTForAudioClassification
from transformers.models.audio_spectrogram_transformer import (
    modeling_audio_spectrogram_transformer as modeling,
)

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
from avsc.encoders._transformers import architecture, described, filled, pretrained

VERSION = 1
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
POSITION = "audio_spectrogram_transformer.embeddings.position_embeddings"


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
            if weights == "pretrained":
                net = pretrained(ASTForAudioClassification, name, revision, config)
            elif isinstance(weights, str):
                net = _random(_config(name, revision, config, classes))
            else:
                made = _config(name, revision, config, classes)
                net = filled(ASTForAudioClassification, made, _cut(weights, made))
            self.model = Model(net).to(device).eval()
        self.classes = _names(net.config, classes)

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


class Model(nn.Module):
    """Log-mel frames -> (embedding, logits); parameters named as in ASTForAudioClassification."""

    def __init__(self, net: ASTForAudioClassification) -> None:
        super().__init__()
        self.config = net.config
        body = net.audio_spectrogram_transformer
        cut = CutEmbeddings(net.config)
        cut.load_state_dict(body.embeddings.state_dict())
        body.embeddings = cut
        self.audio_spectrogram_transformer, self.classifier = body, net.classifier

    def forward(
        self, frames: Float[Tensor, "row frame mel"]
    ) -> tuple[Float[Tensor, "row feature"], Float[Tensor, "row class"]]:
        """Return both from one pass."""
        embedding = self.audio_spectrogram_transformer(frames).pooler_output
        return embedding, self.classifier(embedding)


class CutEmbeddings(modeling.ASTEmbeddings):
    """transformers' patch embedding, for any number of frames up to max_length."""

    def forward(self, input_values: Float[Tensor, "row frame mel"]) -> Float[Tensor, "row token _"]:
        """Return class, distillation and patch tokens with their positions added."""
        patches = self.patch_embeddings(input_values)
        bands, _ = _grid(self.config)
        times = patches.shape[1] // bands
        position = cut_position(self.position_embeddings, bands=bands, times=times)
        tokens = [t.expand(len(patches), -1, -1) for t in (self.cls_token, self.distillation_token)]
        return self.dropout(torch.cat([*tokens, patches], dim=1) + position)


def cut_position(
    position: Float[Tensor, "1 token width"], *, bands: int, times: int
) -> Float[Tensor, "1 _ width"]:
    """Return the embedding of the `times` columns in the middle of the (band, time) grid.

    References:
        YuanGongND/ast, src/models/ast_models.py: column old // 2 - new // 2 and on.
    """
    grid = position[:, 2:].unflatten(1, (bands, -1))
    start = grid.shape[2] // 2 - times // 2
    return torch.cat([position[:, :2], grid[:, :, start : start + times].flatten(1, 2)], dim=1)


def _config(
    name: str, revision: str, config: Mapping[str, Any] | None, classes: list[str] | None
) -> ASTConfig:
    """Return the given architecture, or that of `name`, with the given classes."""
    if config is None:
        base = "set config: (AST-base of AudioSet is {num_labels: 527})"
        what = "config of"
        made = described(ASTForAudioClassification, name, revision, what=what, instead=base)
    else:
        made = architecture(ASTForAudioClassification, config, more=["num_labels"])
    if classes is not None:
        made.id2label = dict(enumerate(classes))
        made.label2id = {c: i for i, c in enumerate(classes)}
    return made


def _cut(weights: Mapping[str, Tensor], config: ASTConfig) -> dict[str, Tensor]:
    """Return the weights with the position embedding of a longer grid cut."""
    state = dict(weights)
    bands, times = _grid(config)
    patches = state[POSITION].shape[1] - 2 if POSITION in state else 0
    if patches > bands * times and patches % bands == 0:
        state[POSITION] = cut_position(state[POSITION], bands=bands, times=times)
    return state


def _grid(config: Any) -> tuple[int, int]:
    """Return how many patches lie above and beside one another."""
    bands = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    return bands, (config.max_length - config.patch_size) // config.time_stride + 1


def _random(config: ASTConfig) -> ASTForAudioClassification:
    """Return an untrained model whose tokens and positions are drawn as AST's authors draw them."""
    net = ASTForAudioClassification(config)
    start = net.audio_spectrogram_transformer.embeddings
    for token in (start.cls_token, start.distillation_token, start.position_embeddings):
        nn.init.trunc_normal_(token, std=0.02)
    return net


def _names(config: Any, classes: list[str] | None) -> list[str]:
    """Return the names of the classes, given or the checkpoint's."""
    if classes is not None and len(classes) != config.num_labels:
        raise ValueError(
            f"{len(classes)} classes are named, the checkpoint has {config.num_labels}; "
            "leave classes out to take its own"
        )
    return classes or [config.id2label[i] for i in range(config.num_labels)]
