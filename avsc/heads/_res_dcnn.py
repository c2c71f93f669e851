"""The acoustic encoder of Chen et al.: a residual CNN over the bins of one frame."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avsc.heads._mlp import mlp

Frames = Float[Tensor, "frame channel bin"]


class Block(nn.Module):
    """Convolution-BatchNorm-ReLU-AvgPool and, around all of it, one convolution.

    The paper says "an extra convolution on the shortcut" and no more. Ours has the pool's kernel,
    stride 2 and no padding, for then it is as long as the main path whatever the input: the main
    path's unpadded convolution takes two bins away and the pool's padding gives them back. Its
    window lies in the middle of the main path's. It is added after the pool, with neither
    normalisation nor activation.
    """

    def __init__(self, wide: int, narrow: int, pool: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv1d(wide, narrow, kernel_size=3),
            nn.BatchNorm1d(narrow),
            nn.ReLU(),
            nn.AvgPool1d(pool, stride=2, padding=1),
        )
        self.shortcut = nn.Conv1d(wide, narrow, kernel_size=pool, stride=2)

    def forward(self, x: Frames) -> Float[Tensor, "frame out left"]:
        """Return about half as many bins."""
        return self.main(x) + self.shortcut(x)


class ResDCNN(nn.Module):
    """Blocks of which each output, beside the input, goes flat into two linear layers.

    Args:
        shape: (channel, bin) of a frame.
        channels: of each block.
        pool: kernel of the average pools. The paper does not give it; 3 makes 2828 features of
            2 x 290 bins, 2 makes 2888.
        widths: of the linear layers, each with BatchNorm and ReLU; all but the last with dropout.
        dropout: probability of dropping a unit.

    Attributes:
        lengths: bins that each block leaves.
        features: length of what goes into the first linear layer.
        width: of the output.

    Raises:
        ValueError: if `pool` is below 2, or the frame has too few bins for so many blocks.

    References:
        Chen, Wang, Zhang, arXiv 2204.11420.
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        channels: Sequence[int],
        pool: int,
        widths: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        steps = [shape[0], *channels]
        self.lengths = lengths(shape[1], blocks=len(channels), pool=pool)
        outputs = zip(channels, self.lengths, strict=True)
        self.features = shape[0] * shape[1] + sum(c * n for c, n in outputs)
        self.blocks = nn.ModuleList(
            Block(wide, narrow, pool) for wide, narrow in zip(steps, channels, strict=False)
        )
        hidden = [self.features, *widths[:-1]]
        self.linear = nn.Sequential(
            mlp(hidden, dropout=dropout), mlp([hidden[-1], widths[-1]], dropout=0.0)
        )
        self.width = widths[-1]

    def forward(self, x: Frames) -> Float[Tensor, "frame width"]:
        """Return an embedding of each frame, which no other frame influences."""
        outputs = [x]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        return self.linear(torch.cat([o.flatten(1) for o in outputs], dim=1))


def lengths(bins: int, *, blocks: int, pool: int) -> list[int]:
    """Return how many bins each block leaves."""
    if pool < 2:
        raise ValueError(f"pool is {pool}, expected 2 or more: padding 1 is half a kernel at most")
    left: list[int] = []
    for block in range(blocks):
        before = left[-1] if left else bins
        if before < max(3, pool):
            raise ValueError(
                f"block {block} of {blocks} gets {before} of {bins} bins, expected "
                f"{max(3, pool)} or more; give fewer channels, or an encoder with more bins"
            )
        left.append((before - pool) // 2 + 1)
    return left
