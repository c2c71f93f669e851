"""A temporal encoder over frames, fused early with the other modality; or on its own."""

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avsc import spelling
from avsc.heads import Batch, Count, Dims, Dropout
from avsc.heads._mlp import mlp, positions

KINDS = ("gru", "lstm", "tcn", "transformer")
TINY = {"dims": {"audio": (6, 5), "video": (4,)}, "hparams": {"width": 16, "depth": 2}}


class Recurrent(nn.Module):
    """GRU or LSTM, forwards in time."""

    def __init__(self, kind: str, features: int, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        between = dropout if depth > 1 else 0.0
        layer = {"gru": nn.GRU, "lstm": nn.LSTM}[kind]
        self.layers = layer(features, width, depth, batch_first=True, dropout=between)

    def forward(self, x: Float[Tensor, "row frame feature"]) -> Float[Tensor, "row frame width"]:
        """Return the hidden state of every frame."""
        return self.layers(x)[0]


class CausalBlock(nn.Module):
    """Two dilated causal convolutions, each weight-normalised, ReLU, dropout; and a shortcut."""

    def __init__(
        self, channels: int, width: int, kernel: int, dilation: int, dropout: float
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for incoming in (channels, width):
            convolution = nn.Conv1d(incoming, width, kernel, dilation=dilation)
            layers += [
                nn.ConstantPad1d(((kernel - 1) * dilation, 0), 0.0),
                nn.utils.parametrizations.weight_norm(convolution),
                nn.ReLU(),
                nn.Dropout1d(dropout),
            ]
        self.main = nn.Sequential(*layers)
        self.shortcut = nn.Conv1d(channels, width, 1) if channels != width else nn.Identity()

    def forward(self, x: Float[Tensor, "row channel frame"]) -> Float[Tensor, "row width frame"]:
        """Return as many frames; none depends on a later one."""
        return (self.main(x) + self.shortcut(x)).relu()


class Convolutional(nn.Module):
    """Causal blocks whose dilation doubles."""

    def __init__(self, features: int, width: int, depth: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                CausalBlock(width if i else features, width, kernel, 2**i, dropout)
                for i in range(depth)
            )
        )

    def forward(self, x: Float[Tensor, "row frame feature"]) -> Float[Tensor, "row frame width"]:
        """Return what each frame knows of itself and those before it."""
        return self.blocks(x.transpose(1, 2)).transpose(1, 2)


class Transformer(nn.Module):
    """Self-attention over the frames of a row, their places added."""

    def __init__(self, features: int, width: int, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.Linear(features, width)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
        )
        norm = nn.LayerNorm(width)
        self.layers = nn.TransformerEncoder(layer, depth, norm, enable_nested_tensor=False)

    def forward(self, x: Float[Tensor, "row frame feature"]) -> Float[Tensor, "row frame width"]:
        """Return every frame as the others see it."""
        return self.layers(
            self.project(x) + positions(x.shape[1], self.project.out_features, x.device)
        )


class Head(nn.Module):
    """Frames -> temporal encoder -> mean over frames; then side by side -> 128 -> scenes.

    A modality whose rows have frames goes through an encoder of its own, an embedding through a
    linear layer of the same width. One modality alone is a baseline.

    Args:
        kind: gru | lstm | tcn | transformer.
        width: of the encoder's output, and of the other modality's linear layer.
        depth: layers of the encoder; of a tcn blocks, the dilations of which are 1, 2, 4, ...
        kernel: frames that a convolution of a tcn sees.
        heads: of a transformer's attention; they divide `width`.
        dropout: probability of dropping a unit.

    References:
        Cho et al., arXiv:1406.1078 (GRU); Hochreiter and Schmidhuber, 1997 (LSTM); Bai et al.,
        arXiv:1803.01271 (TCN); Vaswani et al., arXiv:1706.03762, with the normalisation first. The
        survey names the encoders and gives no layers: sizes, the mean over frames and the
        classifier are ours.
    """

    def __init__(
        self,
        dims: Dims,
        num_classes: int,
        *,
        kind: Annotated[str, "gru | lstm | tcn | transformer"] = "gru",
        width: Count = 128,
        depth: Count = 2,
        kernel: Count = 3,
        heads: Count = 4,
        dropout: Dropout = 0.2,
    ) -> None:
        super().__init__()
        self.modalities = sorted(dims)
        self.framed = {m: len(dims[m]) > 1 for m in self.modalities}
        _check(dims, kind, width, heads)

        def encoder(features: int) -> nn.Module:
            if kind == "tcn":
                return Convolutional(features, width, depth, kernel, dropout)
            if kind == "transformer":
                return Transformer(features, width, depth, heads, dropout)
            return Recurrent(kind, features, width, depth, dropout)

        self.encode = nn.ModuleDict(
            {
                m: encoder(torch.Size(dims[m][1:]).numel())
                if self.framed[m]
                else nn.Linear(dims[m][0], width)
                for m in self.modalities
            }
        )
        self.hidden = mlp([width * len(dims), 128], dropout=dropout)
        self.classify = nn.Linear(128, num_classes)

    def forward(self, x: Batch) -> Float[Tensor, "row scene"]:
        """Return logits."""
        embeddings = self.branch_embeddings(x)
        return self.classify(self.hidden(torch.cat(list(embeddings.values()), dim=1)))

    def branch_embeddings(self, x: Batch) -> dict[str, Float[Tensor, "row width"]]:
        """Return each modality's encoding, the mean over its frames."""
        return {
            m: self.encode[m](x[m].flatten(2)).mean(dim=1)
            if self.framed[m]
            else self.encode[m](x[m])
            for m in self.modalities
        }

    def branches(self) -> dict[str, nn.Module]:
        """Return the encoder of each modality."""
        return dict(self.encode.items())


def _check(dims: Dims, kind: str, width: int, heads: int) -> None:
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, {spelling.expected(kind, KINDS)}")
    if all(len(shape) == 1 for shape in dims.values()):
        raise ValueError(
            f"temporal needs (frame, ...) rows, found {dict(dims)}; take an encoder that gives "
            "frames, such as logmel, or head early"
        )
    if kind == "transformer" and width % heads:
        raise ValueError(f"width {width} does not divide into {heads} heads; change one")
