"""Weighted late fusion: how much the video's opinion counts is learned, a weight for each scene."""

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avsc.heads import Batch, Count, Dims, Dropout
from avsc.heads._mlp import Branch, flat, pair


class Head(nn.Module):
    """Two branches d -> 512 -> scenes; logits_audio + weight * logits_video.

    Args:
        width: of a branch's hidden layer, Linear-BatchNorm-ReLU-Dropout.
        dropout: probability of dropping a unit.

    Attributes:
        weight: one for each scene, drawn from U(-0.1, 0.1).

    References:
        Feng, Audio-Visual Scene Classify (course report).
    """

    drawn: ClassVar = {"weight": 0.1}

    def __init__(
        self, dims: Dims, num_classes: int, *, width: Count = 512, dropout: Dropout = 0.2
    ) -> None:
        super().__init__()
        self.modalities = pair(dims, "weighted")
        self.branch: Any = nn.ModuleDict(
            {
                m: Branch(flat(dims[m]), num_classes, widths=[width], dropout=dropout)
                for m in self.modalities
            }
        )
        most = self.drawn["weight"]
        self.weight = nn.Parameter(torch.empty(num_classes).uniform_(-most, most))

    def forward(self, x: Batch) -> Float[Tensor, "row scene"]:
        """Return logits."""
        return torch.stack(list(self.branch_logits(x).values())).sum(dim=0)

    def branch_embeddings(self, x: Batch) -> dict[str, Float[Tensor, "row width"]]:
        """Return the hidden layer of each modality."""
        return {m: self.branch[m].embed(x[m]) for m in self.modalities}

    def branch_logits(self, x: Batch) -> dict[str, Float[Tensor, "row scene"]]:
        """Return the terms of the sum: what each modality adds to the decision.

        The video's term carries its weight, for where the weight is negative, its branch alone says
        the opposite of what it means.
        """
        logits = {m: self.branch[m](x[m]) for m in self.modalities}
        return {m: self.weight * own if m == "video" else own for m, own in logits.items()}

    def branches(self) -> dict[str, nn.Module]:
        """Return the network of each modality."""
        return dict(self.branch.items())
