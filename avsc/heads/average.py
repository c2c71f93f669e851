"""Averaging: the mean of the members' probabilities, nothing to learn."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from avsc.heads import Batch, Dims

TINY = {"dims": {"one": (3,), "two": (3,)}, "hparams": {}}


class Head(nn.Module):
    """The logarithm of the mean of probabilities.

    `dims` are members of an ensemble, whose rows are log-probabilities of the scenes.

    Raises:
        ValueError: if a member has not one value a scene.
    """

    def __init__(self, dims: Dims, num_classes: int) -> None:
        super().__init__()
        if wrong := {
            m: tuple(shape) for m, shape in dims.items() if tuple(shape) != (num_classes,)
        }:
            raise ValueError(f"average takes {num_classes} log-probabilities a row, found {wrong}")
        self.members = sorted(dims)

    def forward(self, x: Batch) -> Float[Tensor, "row scene"]:
        """Return the logarithm of the mean probability."""
        members = torch.stack([x[m].log_softmax(dim=1) for m in self.members])
        return members.logsumexp(dim=0) - torch.tensor(float(len(members))).log()

    def solve(self, x: Batch, targets: Int[Tensor, " row"]) -> None:
        """Learn nothing."""
