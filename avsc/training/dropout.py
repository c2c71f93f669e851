"""Dropout that draws sixteen random bits a number where heads are trained on a CPU.

torch draws each number by itself there, several times as slowly on CPUs that its MKL does not know,
and other numbers than on those it knows.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

LEVELS = 1 << 16


class Dropout(nn.Dropout):
    """nn.Dropout; on a CPU `p` counts to the nearest 65536th."""

    def forward(self, input: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return what is kept, in training, scaled so that its expectation is `input`."""
        if not self.training or self.p in (0, 1) or input.device.type != "cpu":
            return super().forward(input)
        return input * factors(input.shape, self.p).to(input.dtype)


def factors(
    shape: torch.Size, p: float, *, generator: torch.Generator | None = None
) -> Float[Tensor, "..."]:
    """Return what dropout multiplies by: 0 with probability `p`, else 1 / (1 - p).

    Args:
        shape: of what is multiplied.
        p: at least 0, less than 1.
        generator: None takes torch's default.
    """
    dropped = min(round(p * LEVELS), LEVELS - 1)
    words = torch.empty(-(-shape.numel() // 4), dtype=torch.int64)
    lots = words.random_(-(2**63), None, generator=generator).view(torch.int16)
    kept = lots[: shape.numel()].view(shape) >= dropped - LEVELS // 2
    return kept.float().mul_(LEVELS / (LEVELS - dropped))


def replaced(head: nn.Module) -> Any:
    """Return the head; where it had an nn.Dropout that drops anything stands ours."""
    for name, layer in list(head.named_modules()):
        if name and type(layer) is nn.Dropout and layer.p:
            head.set_submodule(name, Dropout(layer.p))
    return head
