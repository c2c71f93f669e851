"""Any network of transformers that hears the waveform, by name: wav2vec 2.0, HuBERT, WavLM ..."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, MODEL_MAPPING
from transformers.models.wav2vec2_conformer import modeling_wav2vec2_conformer as conformer

from avsc.encoders import UnfitError
from avsc.encoders._augment import Sound, sound_view
from avsc.encoders._config import describing, read
from avsc.encoders._network import Origin, Weights, check_weights, seeded, tag, tagged_views
from avsc.encoders._spectrum import check_scope, check_waveform, mid, resampled
from avsc.encoders._transformers import (
    architecture,
    check_alone,
    config_file,
    described,
    extractor,
    filled,
    pretrained,
)

VERSION = 1
AXES = 1  # of a row
TINY: dict[str, Any] = {
    "weights": "random",
    "config": {
        "model_type": "wav2vec2",
        "conv_dim": [8, 8, 8],
        "conv_kernel": [20, 16, 8],
        "conv_stride": [10, 8, 4],
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "num_conv_pos_embeddings": 8,
        "num_conv_pos_embedding_groups": 2,
    },
}
BODIES = (
    *("data2vec-audio", "hubert", "sew", "sew-d", "unispeech", "unispeech-sat", "wavlm"),
    *("wav2vec2", "wav2vec2-conformer"),
)
OTHERS = {
    "audio-spectrogram-transformer": "take encoder: ast",
    "clap": "take encoder: clap",
    "clap_audio_model": "take encoder: clap",
}
DRAWING = ("mask_time_prob", "mask_feature_prob", "layerdrop")  # probabilities of a config
PARTS = "adapter|encoder|feature_extractor|feature_projection|layer_norm"  # of a body
SAMPLE_RATE, TINIEST = 16000, 1e-7  # transformers' defaults


class Encoder:
    """The mean over time of the network's last hidden state.

    Most of these networks learned from speech, and all hear the waveform itself, up to 8 kHz. Of a
    checkpoint the body is taken, whole; what was around it in its training (quantizers, letters,
    classes, the vector for masked frames) may be there or not. Nothing inside draws but dropout:
    SpecAugment and layerdrop are off, whatever the config says.

    Args:
        name: of a checkpoint on the Hugging Face hub, or a folder that holds one.
        revision: of that checkpoint; a commit hash makes it a fixed one.
        config: `model_type`, such as wav2vec2, and keys of its config in transformers, instead of
            those of `name`; not with "pretrained".
        weights: "pretrained" (those of `name`), "random", or a state dict of the body, or of a
            network around it.
        normalise: give each row zero mean and unit variance; None as the preprocessor_config.json
            of `name` says, and without one, as transformers does: yes.
        scope: "segment", or "clip" of any length.
        seed: of random weights.
        sample_rate: of the waveform, in Hz; one other than the checkpoint's is resampled.
        batch_size: rows in one forward pass.
        device: where the model runs.

    References:
        Baevski et al., "wav2vec 2.0", NeurIPS 2020. Hsu et al., "HuBERT", TASLP 2021. Chen et al.,
        "WavLM", JSTSP 2022. Equal to transformers' Wav2Vec2FeatureExtractor and models.
    """

    modality = "audio"

    def __init__(
        self,
        *,
        name: str | None = None,
        revision: str = "main",
        config: Mapping[str, Any] | None = None,
        weights: Weights = "pretrained",
        normalise: bool | None = None,
        scope: str = "segment",
        seed: int = 0,
        sample_rate: int = SAMPLE_RATE,
        batch_size: int = 16,
        device: str = "cpu",
    ) -> None:
        check_scope(scope)
        check_weights(weights)
        self.scope, self.sample_rate, self.batch_size = scope, sample_rate, batch_size
        if name is None and (config is None or weights == "pretrained"):
            raise ValueError(
                "no name says which network; give name: a repository of the hub or a folder, or "
                "with other weights than pretrained config: {model_type: wav2vec2, ...}"
            )
        self.origin = Origin(str(name), revision) if weights == "pretrained" else None
        with seeded(seed):
            net = _net(str(name), revision, config, weights)
            self.model = Model(_stilled(net)).to(device).eval()
        said = {}
        if config is None:
            said = extractor(str(name), revision, needed=normalise is None)
        self.rate = said.get("sampling_rate", SAMPLE_RATE)
        self.normalise = said.get("do_normalize", True) if normalise is None else normalise
        self.least = _least(net.config)

    def __call__(self, x: np.ndarray) -> dict[str, Float32[np.ndarray, "row _"]]:
        """Encode float32 (row, 2, sample)."""
        check_waveform(x, scope=self.scope, sample_rate=self.sample_rate)
        return tag(self.model, self.prepare, x, batch_size=self.batch_size)

    def views(
        self, x: np.ndarray, *, count: int, seed: int, **limits: float
    ) -> Float32[np.ndarray, "row view _"]:
        """Return the plain embedding and those of moved sound, of which a run is silent.

        What is normalised is as loud in all views; there are no bands that `band_mask` could cover.
        """
        return tagged_views(self, x, count=count, seed=seed, **limits)

    def prepare(self, x: np.ndarray) -> Float32[Tensor, "row sample"]:
        """Return (L + R) / 2 at the checkpoint's rate, normalised if it asks for that."""
        check_waveform(x, scope=self.scope, sample_rate=self.sample_rate)
        if (count := x.shape[2] // self.sample_rate * self.rate) < self.least:
            raise ValueError(
                f"rows have {count} samples at {self.rate} Hz, this network's convolutions take "
                f"{self.least} or more; set scope: clip, or name another network"
            )
        sound = resampled(mid(x), rate=self.sample_rate, wanted=self.rate)
        return torch.from_numpy(normalised(sound) if self.normalise else sound)

    def prepare_view(
        self, x: np.ndarray, *, view: int, seed: int, **limits: float
    ) -> Float32[Tensor, "row sample"]:
        """Return moved sound, a run of its samples at the row's mean."""
        covered = sound_view(
            x,
            dataclasses.replace(Sound(**limits), band_mask=0.0),
            view=view,
            seed=seed,
            second=self.sample_rate,
            front_end=lambda moved: self.prepare(moved).numpy()[..., None],  # frames of one band
        )
        return torch.from_numpy(covered[..., 0])


class Model(nn.Module):
    """Sound -> (embedding,); parameters named as where transformers has a head around the body."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.called: str = net.base_model_prefix
        self.add_module(self.called, net)

    def forward(self, sound: Float[Tensor, "row sample"]) -> tuple[Float[Tensor, "row _"]]:
        """Return the embedding."""
        return (self.get_submodule(self.called)(sound).last_hidden_state.mean(dim=1),)


class Relative(conformer.Wav2Vec2ConformerRelPositionalEmbedding):
    """transformers' positions; none is kept, for it would be a rounded one after bfloat16."""

    def forward(self, hidden_states: Float[Tensor, "row frame _"]) -> Float[Tensor, "1 distance _"]:
        """Return the embedding of each distance between two frames."""
        positions = self.extend_pe(hidden_states, self.pe)
        middle, frames = positions.shape[1] // 2, hidden_states.shape[1]
        return positions[:, middle - frames + 1 : middle + frames]


class Rotary(conformer.Wav2Vec2ConformerRotaryPositionalEmbedding):
    """transformers' rotations; none is kept, for it might be of another thread's length."""

    def forward(
        self, hidden_states: Float[Tensor, "row frame _"]
    ) -> Float[Tensor, "2 frame 1 1 _"]:
        """Return cosine and sine of each frame."""
        times = torch.arange(hidden_states.shape[1], device=hidden_states.device)
        angles = (times.type_as(self.inv_freq)[:, None] * self.inv_freq).repeat(1, 2)
        return torch.stack([angles.cos(), angles.sin()])[:, :, None, None].type_as(hidden_states)


KEEPING = {
    conformer.Wav2Vec2ConformerRelPositionalEmbedding: Relative,
    conformer.Wav2Vec2ConformerRotaryPositionalEmbedding: Rotary,
}


def normalised(sound: Float32[np.ndarray, "row sample"]) -> Float32[np.ndarray, "row sample"]:
    """Return rows of zero mean and unit variance; silence stays silent."""
    deviation = np.sqrt(sound.var(axis=1, keepdims=True) + TINIEST)
    return (sound - sound.mean(axis=1, keepdims=True)) / deviation


def _net(name: str, revision: str, config: Mapping[str, Any] | None, weights: Weights) -> Any:
    """Return the body; nothing of it is random unless `weights` says so."""
    said = {"what": "config of", "instead": "set config:"}
    if isinstance(weights, str) and weights == "pretrained":
        check_alone(name, config)
        said = {}
    kind = _kind(name, revision, config, **said)
    own = {f.name for f in dataclasses.fields(kind.config_class)}
    still = {k: 0.0 for k in DRAWING if k in own}
    besides = _besides(kind.base_model_prefix)
    if weights == "pretrained":
        return pretrained(kind, name, revision, config, changed=still, besides=besides)
    if config is None:
        made = described(kind, name, revision, changed=still, **said)
    else:
        made = architecture(kind, {k: v for k, v in config.items() if k != "model_type"} | still)
    return kind(made) if isinstance(weights, str) else filled(kind, made, weights, besides=besides)


def _kind(name: str, revision: str, config: Mapping[str, Any] | None, **said: str) -> Any:
    """Return the class of the body that a config, or that of `name`, describes."""
    source = "config"
    if config is None:
        path = config_file(name, revision, **said)
        source = str(path)
        with describing(source, "network of transformers"):
            config = read(path)
    found = str(config.get("model_type"))
    if found not in BODIES:
        raise ValueError(
            f"{source} has model_type {found!r}, which hears no waveform; "
            f"{OTHERS.get(found, 'name another network')}, or one of {', '.join(BODIES)}"
        )
    return MODEL_MAPPING[CONFIG_MAPPING[found]]


def _besides(prefix: str) -> str:
    """Return a pattern of the tensors that a checkpoint may have beside the body, or may lack."""
    xvector = r"^feature_extractor\.(weight|bias)$"  # its last layer, called as the body's first
    return rf"(^|\.)masked_spec_embed$|{xvector}|^(?!({prefix}|{PARTS})\.)"


def _stilled(net: Any) -> Any:
    """Return the body without what draws, or keeps something from one pass to the next."""
    if getattr(net.config, "add_adapter", False):
        raise UnfitError(
            "the network has an adapter for a decoder (add_adapter), which draws numbers in each "
            "pass; name one without"
        )
    if hasattr(net, "masked_spec_embed"):
        del net.masked_spec_embed
    positions: Any = getattr(net.encoder, "embed_positions", None)
    if fresh := KEEPING.get(type(positions)):
        net.encoder.embed_positions = fresh(net.config)
        net.encoder.embed_positions.load_state_dict(positions.state_dict())
    return net


def _least(config: Any) -> int:
    """Return how many samples give one frame to the layers behind the convolutions."""
    count = getattr(config, "squeeze_factor", 1)
    for kernel, stride in [*zip(config.conv_kernel, config.conv_stride, strict=True)][::-1]:
        count = (count - 1) * stride + kernel
    return int(count)
