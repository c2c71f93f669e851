"""Layers that several heads are built of."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


def mlp(widths: Sequence[int], *, dropout: float, batch_norm: bool = True) -> nn.Sequential:
    """Return Linear-BatchNorm-ReLU-Dropout for each step of `widths`."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        norm = [nn.BatchNorm1d(narrow)] if batch_norm else []
        layers += [nn.Linear(wide, narrow), *norm, nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


def flat(shape: Sequence[int]) -> int:
    """Return the length of `pooled` rows of `shape`."""
    return int(torch.Size(shape[1:] if len(shape) > 1 else shape).numel())


def pooled(x: Float[Tensor, "row ..."]) -> Float[Tensor, "row dim"]:
    """Return rows as vectors: sequences (row, frame, ...) are averaged over their frames."""
    return (x.mean(dim=1) if x.ndim > 2 else x).flatten(1)


class Branch(nn.Module):
    """A classifier of one modality: hidden layers, then one linear layer."""

    def __init__(
        self, dim: int, num_classes: int, *, widths: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.hidden = mlp([dim, *widths], dropout=dropout)
        self.classify = nn.Linear([dim, *widths][-1], num_classes)

    def forward(self, x: Float[Tensor, "row ..."]) -> Float[Tensor, "row scene"]:
        """Return the logits of this modality alone."""
        return self.classify(self.embed(x))

    def embed(self, x: Float[Tensor, "row ..."]) -> Float[Tensor, "row width"]:
        """Return the last hidden layer's output."""
        return self.hidden(pooled(x))


def pair(dims: Mapping[str, Sequence[int]], head: str) -> list[str]:
    """Return the two modalities in a fixed order.

    Raises:
        ValueError: if they are not audio and video.
    """
    if sorted(dims) != ["audio", "video"]:
        raise ValueError(
            f"{head} fuses audio and video, found {sorted(dims)}; of one modality, use head early"
        )
    return sorted(dims)


def positions(
    frames: int, width: int, device: torch.device | str = "cpu"
) -> Float[Tensor, "frame width"]:
    """Return sines and cosines of each frame's place, as in Vaswani et al., arXiv:1706.03762."""
    rate = 10000.0 ** (-torch.arange(0, width, 2, device=device) / width)
    angle = torch.arange(frames, device=device)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]
