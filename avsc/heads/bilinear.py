"""Low-rank bilinear fusion: the product of one projection of each modality."""

from jaxtyping import Float
from torch import Tensor, nn

from avsc.heads import Batch, Count, Dims, Dropout
from avsc.heads._mlp import flat, pair, pooled


class Head(nn.Module):
    """A linear classifier over the product of two projections.

    logits = P^T (tanh(U^T x_audio) * tanh(V^T x_video)) + b. Without one modality, which is
    then all zeros, the product is zero and the logits are b.

    Args:
        rank: length of the projections; the paper's, for questions about pictures, is 1200.
        dropout: probability of dropping a unit of the product; ours.

    References:
        Kim et al., Hadamard Product for Low-rank Bilinear Pooling, arXiv:1610.04325.
    """

    def __init__(
        self, dims: Dims, num_classes: int, *, rank: Count = 512, dropout: Dropout = 0.2
    ) -> None:
        super().__init__()
        self.modalities = pair(dims, "bilinear")
        self.project = nn.ModuleDict(
            {m: nn.Linear(flat(dims[m]), rank, bias=False) for m in self.modalities}
        )
        self.drop = nn.Dropout(dropout)
        self.classify = nn.Linear(rank, num_classes)

    def forward(self, x: Batch) -> Float[Tensor, "row scene"]:
        """Return logits."""
        factors = self.branch_embeddings(x)
        return self.classify(self.drop(factors["audio"] * factors["video"]))

    def branch_embeddings(self, x: Batch) -> dict[str, Float[Tensor, "row rank"]]:
        """Return the factors of the product."""
        return {m: self.project[m](pooled(x[m])).tanh() for m in self.modalities}

    def branches(self) -> dict[str, nn.Module]:
        """Return the projection of each modality."""
        return dict(self.project.items())
