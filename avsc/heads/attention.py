"""Cross-modal attention: each modality reads its own sequence, then the other's."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avsc.heads import Batch, Count, Dims, Dropout
from avsc.heads._mlp import positions

TINY = {"dims": {"audio": (4, 5), "video": (3,)}, "hparams": {"width": 16, "heads": 2, "tokens": 2}}


class Tokens(nn.Module):
    """A modality as a sequence: a token a frame, with its place; or `tokens` views of a vector."""

    def __init__(self, shape: tuple[int, ...], width: int, tokens: int) -> None:
        super().__init__()
        self.sequence, self.width = len(shape) > 1, width
        features = torch.Size(shape[1:] if self.sequence else shape).numel()
        self.project = nn.Linear(features, width if self.sequence else tokens * width)

    def forward(self, x: Float[Tensor, "row ..."]) -> Float[Tensor, "row token width"]:
        """Return tokens."""
        if not self.sequence:
            return self.project(x).unflatten(1, (-1, self.width))
        return self.project(x.flatten(2)) + positions(x.shape[1], self.width, x.device)


class Layer(nn.Module):
    """Attention over one's own sequence, over the other's, then a feed-forward network.

    Each step is added to what came in, after layer normalisation of what it reads.
    """

    def __init__(self, width: int, heads: int, dropout: float, *, crossed: bool) -> None:
        super().__init__()
        steps = ("own", "other") if crossed else ("own",)
        self.norm = nn.ModuleDict({s: nn.LayerNorm(width) for s in [*steps, "feed"]})
        self.attend = nn.ModuleDict(
            {s: nn.MultiheadAttention(width, heads, dropout, batch_first=True) for s in steps}
        )
        if crossed:
            self.norm["read"] = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(
        self,
        own: Float[Tensor, "row token width"],
        other: Float[Tensor, "row _ width"] | None,
    ) -> Float[Tensor, "row token width"]:
        """Return `own`, changed; without `other` that step is left out."""
        query = self.norm["own"](own)
        own = own + self._read("own", query, query)
        if other is not None:
            own = own + self._read("other", self.norm["other"](own), self.norm["read"](other))
        return own + self.drop(self.feed_forward(self.norm["feed"](own)))

    def _read(self, step: str, query: Tensor, source: Tensor) -> Tensor:
        return self.drop(self.attend[step](query, source, source, need_weights=False)[0])


class Head(nn.Module):
    """Layers of attention within and between modalities, the mean token, a linear classifier.

    Every attention stays inside its row: the tokens are the frames of one segment (or clip), never
    other items.

    Args:
        width: of a token.
        heads: of each attention; they divide `width`.
        depth: number of layers.
        tokens: how many an embedding without frames is projected to.
        dropout: probability of dropping a unit or an attention weight.

    References:
        Tsai et al., Multimodal Transformer for Unaligned Multimodal Language Sequences,
        arXiv:1906.00295, whose crossmodal block this is, with the own sequence read in each layer
        rather than after the last. The survey names the strategy and gives no layers: sizes, the
        tokens of a vector, and the mean over tokens and modalities are ours.
    """

    def __init__(
        self,
        dims: Dims,
        num_classes: int,
        *,
        width: Count = 128,
        heads: Count = 4,
        depth: Count = 1,
        tokens: Count = 4,
        dropout: Dropout = 0.2,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} does not divide into {heads} heads; change one")
        self.modalities = sorted(dims)
        self.tokenize = nn.ModuleDict({m: Tokens(dims[m], width, tokens) for m in self.modalities})
        self.layers: Any = nn.ModuleDict(
            {
                m: nn.ModuleList(
                    Layer(width, heads, dropout, crossed=len(dims) > 1) for _ in range(depth)
                )
                for m in self.modalities
            }
        )
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)
        self.classify = nn.Linear(width, num_classes)

    def forward(self, x: Batch) -> Float[Tensor, "row scene"]:
        """Return logits."""
        sequences = {m: self.tokenize[m](x[m]) for m in self.modalities}
        for layer in zip(*self.layers.values(), strict=True):
            sequences = self._exchange(dict(zip(self.modalities, layer, strict=True)), sequences)
        means = torch.stack([s.mean(dim=1) for s in sequences.values()])
        return self.classify(self.drop(self.norm(means.mean(dim=0))))

    def branch_embeddings(self, x: Batch) -> dict[str, Float[Tensor, "row width"]]:
        """Return the mean token of each modality, before any attention."""
        return {m: self.tokenize[m](x[m]).mean(dim=1) for m in self.modalities}

    def branch_logits(self, x: Batch) -> dict[str, Float[Tensor, "row scene"]]:
        """Return what the head says of each modality when the other is missing, all zeros."""
        nothing = {m: torch.zeros_like(x[m]) for m in self.modalities}
        return {m: self(nothing | {m: x[m]}) for m in self.modalities}

    def branches(self) -> dict[str, nn.Module]:
        """Return the tokens and layers of each modality."""
        return {m: nn.ModuleList([self.tokenize[m], *self.layers[m]]) for m in self.modalities}

    @staticmethod
    def _exchange(layer: dict[str, nn.Module], sequences: dict[str, Tensor]) -> dict[str, Tensor]:
        others = dict(zip(sequences, reversed(sequences.values()), strict=True))
        return {
            m: layer[m](own, others[m] if len(sequences) > 1 else None)
            for m, own in sequences.items()
        }
