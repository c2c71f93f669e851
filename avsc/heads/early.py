"""Early fusion: the embeddings side by side, then one classifier; of one modality, a baseline."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avsc.heads import Batch, Dims, Dropout
from avsc.heads._mlp import flat, mlp, pooled


class Head(nn.Module):
    """The official baseline's classifier: d -> 512 -> 128 -> 64 -> scenes.

    Args:
        widths: of the hidden layers, each Linear-BatchNorm-ReLU-Dropout.
        dropout: probability of dropping a unit.

    References:
        Wang et al., A curated dataset of urban scenes for audio-visual scene analysis, ICASSP 2021.
        Sequences of frames are averaged first, which is ours.
    """

    def __init__(
        self,
        dims: Dims,
        num_classes: int,
        *,
        widths: tuple[int, ...] | list[int] = (512, 128, 64),
        dropout: Dropout = 0.2,
    ) -> None:
        super().__init__()
        self.modalities = sorted(dims)
        total = sum(flat(dims[m]) for m in self.modalities)
        self.hidden = mlp([total, *widths], dropout=dropout)
        self.classify = nn.Linear([total, *widths][-1], num_classes)

    def forward(self, x: Batch) -> Float[Tensor, "row scene"]:
        """Return logits."""
        side_by_side = torch.cat([pooled(x[m]) for m in self.modalities], dim=1)
        return self.classify(self.hidden(side_by_side))
