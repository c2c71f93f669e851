"""Gated fusion: for each row and unit, a gate decides which modality to listen to."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avsc.heads import Batch, Count, Dims, Dropout
from avsc.heads._mlp import flat, pair, pooled


class Head(nn.Module):
    """A gated multimodal unit, then a linear classifier.

    h_m = tanh(W_m x_m), z = sigmoid(W_z [x_audio; x_video]), h = z * h_audio + (1 - z) * h_video.

    Args:
        width: of h.
        dropout: probability of dropping a unit of h; ours.

    References:
        Arevalo et al., Gated Multimodal Units for Information Fusion, arXiv:1702.01992, where W_m
        and W_z have no biases. Their classifier is a maxout network; ours is linear.
    """

    def __init__(
        self, dims: Dims, num_classes: int, *, width: Count = 512, dropout: Dropout = 0.2
    ) -> None:
        super().__init__()
        self.modalities = pair(dims, "gated")
        sizes = {m: flat(dims[m]) for m in self.modalities}
        self.project = nn.ModuleDict(
            {m: nn.Linear(size, width, bias=False) for m, size in sizes.items()}
        )
        self.gate = nn.Linear(sum(sizes.values()), width, bias=False)
        self.drop = nn.Dropout(dropout)
        self.classify = nn.Linear(width, num_classes)

    def forward(self, x: Batch) -> Float[Tensor, "row scene"]:
        """Return logits."""
        return self.classify(self.drop(self.fuse(x)))

    def fuse(self, x: Batch) -> Float[Tensor, "row width"]:
        """Return h."""
        hidden = self.branch_embeddings(x)
        side_by_side = torch.cat([pooled(x[m]) for m in self.modalities], dim=1)
        z = self.gate(side_by_side).sigmoid()
        return z * hidden["audio"] + (1 - z) * hidden["video"]

    def branch_embeddings(self, x: Batch) -> dict[str, Float[Tensor, "row width"]]:
        """Return h_m of each modality."""
        return {m: self.project[m](pooled(x[m])).tanh() for m in self.modalities}

    def branch_logits(self, x: Batch) -> dict[str, Float[Tensor, "row scene"]]:
        """Return what the classifier says of each modality's h_m alone."""
        return {m: self.classify(self.drop(h)) for m, h in self.branch_embeddings(x).items()}

    def branches(self) -> dict[str, nn.Module]:
        """Return the projection of each modality."""
        return dict(self.project.items())
