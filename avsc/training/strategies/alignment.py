"""Pull audio and video of the same item together: symmetric InfoNCE."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

LARGEST_SCALE = 100.0


class InfoNCE(nn.Module):
    """Contrastive loss between two views of the rows of a batch, with a learned temperature.

    Args:
        temperature: to begin with.
        dims: widths of the two views; each then goes through a linear projection without bias
            first, which views of different widths need. None: they are compared as they are.
        projection: width of that projection.

    References:
        Radford et al., Learning transferable visual models from natural language supervision, ICML
        2021: unit norm, scale 1 / .07 to begin with and at most 100.
    """

    def __init__(
        self,
        *,
        temperature: float = 0.07,
        dims: tuple[int, int] | None = None,
        projection: int = 128,
    ) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.project = nn.ModuleList(
            nn.Linear(dim, projection, bias=False) if dims else nn.Identity()
            for dim in dims or (0, 0)
        )

    def forward(
        self, audio: Float[Tensor, "row _"], video: Float[Tensor, "row _"]
    ) -> Float[Tensor, ""]:
        """Return the mean of the losses of finding a row's video by its audio, and its audio."""
        with torch.no_grad():  # on the parameter itself: a clamped output would have no gradient
            self.log_scale.clamp_(max=math.log(LARGEST_SCALE))
        one, two = (
            nn.functional.normalize(project(z), dim=1)
            for project, z in zip(self.project, (audio, video), strict=True)
        )
        logits = self.log_scale.exp() * one @ two.T
        match = torch.arange(len(logits), device=logits.device)
        cross_entropy = nn.functional.cross_entropy
        return (cross_entropy(logits, match) + cross_entropy(logits.T, match)) / 2
