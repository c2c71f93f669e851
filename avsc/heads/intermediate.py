"""Intermediate fusion: what each modality's network has learned, side by side in a joint layer."""

from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avsc.heads import Batch, Dims, Dropout, Phase
from avsc.heads._mlp import flat, mlp, pooled


class Branch(nn.Module):
    """The baseline's network of one modality; `hidden` is its second linear output."""

    def __init__(self, dim: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.first = mlp([dim, 512], dropout=dropout)
        self.second = nn.Linear(512, 128)
        self.rest = nn.Sequential(
            nn.BatchNorm1d(128),
            nn.ReLU(),
            nn.Dropout(dropout),
            mlp([128, 64], dropout=dropout),
            nn.Linear(64, num_classes),
        )

    def hidden(self, x: Float[Tensor, "row ..."]) -> Float[Tensor, "row 128"]:
        """Return the second linear layer's output, before its normalisation."""
        return self.second(self.first(pooled(x)))

    def forward(self, x: Float[Tensor, "row ..."]) -> Float[Tensor, "row scene"]:
        """Return the logits of this modality alone."""
        return self.rest(self.hidden(x))


class Head(nn.Module):
    """Two branches, 128-d each, then Linear 256 -> 128 and Linear 128 -> scenes.

    Args:
        two_step: train each branch as a classifier of its own, freeze both, then train the joint
            layers, which have no non-linearity (the official baseline's proposed system). Otherwise
            train everything together, with ReLU after the joint layer (Feng).
        dropout: probability of dropping a unit.

    References:
        Wang et al., A curated dataset of urban scenes for audio-visual scene analysis, ICASSP 2021;
        Feng, Audio-Visual Scene Classify (course report).
    """

    def __init__(
        self, dims: Dims, num_classes: int, *, two_step: bool = True, dropout: Dropout = 0.2
    ) -> None:
        super().__init__()
        self.modalities, self.two_step = sorted(dims), two_step
        self.branch = nn.ModuleDict(
            {m: Branch(flat(dims[m]), num_classes, dropout) for m in self.modalities}
        )
        if not two_step:
            for branch in self.branch.values():
                branch.rest = nn.Identity()
        self.joint = nn.Linear(128 * len(dims), 128)
        self.classify = nn.Linear(128, num_classes)

    def forward(self, x: Batch) -> Float[Tensor, "row scene"]:
        """Return logits."""
        branches: Any = self.branch
        hidden = torch.cat([branches[m].hidden(x[m]) for m in self.modalities], dim=1)
        if self.two_step:
            return self.classify(self.joint(hidden))
        return self.classify(self.joint(hidden).relu())

    def phases(self) -> list[Phase]:
        """Return each branch, then the joint layers; or everything at once."""
        if not self.two_step:
            return [Phase("fusion", [self], self)]
        alone = [Phase(m, [self.branch[m]], partial(self._alone, m)) for m in self.modalities]
        return [*alone, Phase("fusion", [self.joint, self.classify], self)]

    def _alone(self, modality: str, x: Batch) -> Tensor:
        return self.branch[modality](x[modality])
