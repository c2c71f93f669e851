"""AST's network as transformers builds it: random, of a checkpoint, or of any of its configs."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import ASTConfig, ASTForAudioClassification
from transformers.models.audio_spectrogram_transformer import (
    modeling_audio_spectrogram_transformer as modeling,
)

from avsc.encoders._ast import cut, cut_position, grid
from avsc.encoders._network import Weights
from avsc.encoders._transformers import architecture, described, filled, pretrained


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
        bands, _ = grid(self.config)
        times = patches.shape[1] // bands
        position = cut_position(self.position_embeddings, bands=bands, times=times)
        tokens = [t.expand(len(patches), -1, -1) for t in (self.cls_token, self.distillation_token)]
        return self.dropout(torch.cat([*tokens, patches], dim=1) + position)


def model(
    name: str,
    revision: str,
    config: Mapping[str, Any] | None,
    *,
    classes: list[str] | None,
    weights: Weights,
) -> Model:
    """Return the network; the arguments are those of the encoder."""
    if weights == "pretrained":
        return Model(pretrained(ASTForAudioClassification, name, revision, config))
    made = _config(name, revision, config, classes)
    if isinstance(weights, str):
        return Model(_random(made))
    return Model(filled(ASTForAudioClassification, made, cut(weights, made)))


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


def _random(config: ASTConfig) -> ASTForAudioClassification:
    """Return an untrained model whose tokens and positions are drawn as AST's authors draw them."""
    net = ASTForAudioClassification(config)
    start = net.audio_spectrogram_transformer.embeddings
    for token in (start.cls_token, start.distillation_token, start.position_embeddings):
        nn.init.trunc_normal_(token, std=0.02)
    return net
