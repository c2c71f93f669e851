"""AST's network in torch alone: importing transformers takes longer than encoding a clip."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avsc.encoders._config import MOST, MOST_LAYERS

POSITION = "audio_spectrogram_transformer.embeddings.position_embeddings"


@dataclass(frozen=True)
class Config:
    """The sizes of an AST without dropout, named and preset as in transformers' ASTConfig."""

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    patch_size: int = 16
    frequency_stride: int = 10
    time_stride: int = 10
    max_length: int = 1024
    num_mel_bins: int = 128


class Model(nn.Module):
    """Log-mel frames -> (embedding, logits); parameters named as in ASTForAudioClassification.

    Args:
        config: sizes.
        labels: number of classes.
    """

    def __init__(self, config: Config, labels: int) -> None:
        super().__init__()
        self.config = config
        self.audio_spectrogram_transformer = _Body(config)
        self.classifier = nn.ModuleDict(
            {"layernorm": _norm(config), "dense": nn.Linear(config.hidden_size, labels)}
        )

    def forward(
        self, frames: Float[Tensor, "row frame mel"]
    ) -> tuple[Float[Tensor, "row feature"], Float[Tensor, "row class"]]:
        """Return both from one pass."""
        embedding = self.audio_spectrogram_transformer(frames)
        return embedding, self.classifier["dense"](self.classifier["layernorm"](embedding))


def model(config: Mapping[str, Any], classes: int, weights: Mapping[str, Tensor]) -> Model | None:
    """Return the network with copies of `weights`, None if it takes transformers to tell.

    None does not mean that anything is wrong: transformers knows more keys of a config, other names
    of weights, and what to say about those that do not fit.
    """
    sizes = {f.name for f in fields(Config)}
    if not config.keys() <= sizes or not all(_is_size(k, v) for k, v in config.items()):
        return None
    made = Config(**config)
    if made.hidden_size % made.num_attention_heads or min(grid(made)) < 1:
        return None
    with torch.device("meta"):
        net = Model(made, classes)
    state = cut(weights, made)
    if _shapes(state) != _shapes(net.state_dict()):
        return None
    net.load_state_dict({k: v.detach().clone() for k, v in state.items()}, assign=True)
    return net


def _is_size(key: str, value: object) -> bool:
    most = MOST_LAYERS if key.endswith("_layers") else MOST
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()}


def _norm(config: Config) -> nn.LayerNorm:
    return nn.LayerNorm(config.hidden_size, eps=1e-12)


class _Body(nn.Module):
    """Frames -> the mean of the class and the distillation token after the last norm."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embeddings = _Embeddings(config)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))
        self.layernorm = _norm(config)

    def forward(self, frames: Float[Tensor, "row frame mel"]) -> Float[Tensor, "row feature"]:
        x = self.embeddings(frames)
        for layer in self.layers:
            x = layer(x)
        x = self.layernorm(x)
        return (x[:, 0] + x[:, 1]) / 2


class _Embeddings(nn.Module):
    """Frames -> two tokens and the patches, band by band, with the positions of their middle."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.bands, times = grid(config)
        width, stride = config.hidden_size, (config.frequency_stride, config.time_stride)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.distillation_token = nn.Parameter(torch.empty(1, 1, width))
        self.position_embeddings = nn.Parameter(torch.empty(1, 2 + self.bands * times, width))
        projection = nn.Conv2d(1, width, config.patch_size, stride)
        self.patch_embeddings = nn.ModuleDict({"projection": projection})

    def forward(self, frames: Float[Tensor, "row frame mel"]) -> Float[Tensor, "row token _"]:
        picture = frames.unsqueeze(1).transpose(2, 3)
        patches = self.patch_embeddings["projection"](picture).flatten(2).transpose(1, 2)
        times = patches.shape[1] // self.bands
        position = cut_position(self.position_embeddings, bands=self.bands, times=times)
        tokens = [t.expand(len(patches), -1, -1) for t in (self.cls_token, self.distillation_token)]
        return torch.cat([*tokens, patches], dim=1) + position


class _Layer(nn.Module):
    """One block: attention, then two dense layers, each behind a norm and beside a shortcut."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        self.heads = config.num_attention_heads
        self.attention = nn.ModuleDict(
            {name: nn.Linear(width, width) for name in ("q_proj", "k_proj", "v_proj", "o_proj")}
        )
        self.layernorm_before, self.layernorm_after = _norm(config), _norm(config)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, inner), "fc2": nn.Linear(inner, width)})

    def forward(self, x: Float[Tensor, "row token _"]) -> Float[Tensor, "row token _"]:
        x = self._attended(self.layernorm_before(x)) + x
        inner = nn.functional.gelu(self.mlp["fc1"](self.layernorm_after(x)))
        return self.mlp["fc2"](inner) + x

    def _attended(self, x: Float[Tensor, "row token _"]) -> Float[Tensor, "row token _"]:
        q, k, v = (
            self.attention[name](x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for name in ("q_proj", "k_proj", "v_proj")
        )
        found = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.attention["o_proj"](found.transpose(1, 2).flatten(2))


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


def cut(weights: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Return the weights with the position embedding of a longer grid cut."""
    state = dict(weights)
    bands, times = grid(config)
    patches = state[POSITION].shape[1] - 2 if POSITION in state else 0
    if patches > bands * times and patches % bands == 0:
        state[POSITION] = cut_position(state[POSITION], bands=bands, times=times)
    return state


def grid(config: Any) -> tuple[int, int]:
    """Return how many patches lie above and beside one another."""
    bands = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    return bands, (config.max_length - config.patch_size) // config.time_stride + 1
