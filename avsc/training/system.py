"""A head with what belongs to it at inference: standardised inputs, and a temperature."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor, nn

Batch = Mapping[str, Float[Tensor, "row ..."]]
AT_ONCE = 1024  # rows in float64: no second copy of all of them


class System(nn.Module):
    """Standardised inputs through a head, its logits divided by a temperature.

    Args:
        head: {modality: (row, ...)} -> logits.
        shapes: shape of one row of each modality; (frame, ...) rows are standardised over frames.
        standardise: whether to, with statistics that `measure` takes from the training fold.
    """

    temperature: Tensor

    def __init__(
        self, head: nn.Module, shapes: Mapping[str, tuple[int, ...]], *, standardise: bool
    ) -> None:
        super().__init__()
        self.head = head
        self.shapes = dict(shapes)
        self.standardise = standardise
        self.register_buffer("temperature", torch.ones(()))
        for m, shape in shapes.items():
            features = shape[1:] if len(shape) > 1 else shape
            self.register_buffer(f"mean_{m}", torch.zeros(features))
            self.register_buffer(f"scale_{m}", torch.ones(features))

    def measure(self, x: Batch) -> None:
        """Take mean and standard deviation of each feature; a constant feature keeps scale 1.

        A system that does not standardise keeps mean 0 and scale 1.
        """
        if not self.standardise:
            return
        for m, rows in self._standardised(x).items():
            mean, spread = moments(rows)
            self.get_buffer(f"mean_{m}").copy_(mean)
            self.get_buffer(f"scale_{m}").copy_(torch.where(spread > 1e-6, spread, 1.0))

    def prepare(self, x: Batch) -> dict[str, Tensor]:
        """Return standardised inputs; what was given no shape, such as labels, stays as it is."""
        own = self._standardised(x) if self.standardise else {}
        return dict(x) | {
            m: (rows - self.get_buffer(f"mean_{m}")).div_(self.get_buffer(f"scale_{m}"))
            for m, rows in own.items()
        }

    def _standardised(self, x: Batch) -> dict[str, Tensor]:
        return {m: rows for m, rows in x.items() if m in self.shapes}

    def forward(self, x: Batch) -> Float[Tensor, "row scene"]:
        """Return logits."""
        return self.head(self.prepare(x)) / self.temperature


def moments(rows: Float[Tensor, "row ..."]) -> tuple[Float64[Tensor, "..."], ...]:
    """Return mean and standard deviation of each feature; of sequences, over their frames, too."""
    axes = (0, 1) if rows.ndim > 2 else (0,)
    count, blocks = math.prod(rows.shape[axis] for axis in axes), rows.split(AT_ONCE)
    mean = torch.stack([b.sum(axes, dtype=torch.float64) for b in blocks]).sum(0) / count
    squares = [(b.double() - mean).square_().sum(axes) for b in blocks]
    return mean, (torch.stack(squares).sum(0) / count).sqrt()


def predict(system: nn.Module, x: Batch, *, rows: int = 4096) -> Float64[ndarray, "row scene"]:
    """Return scene probabilities, computed `rows` at a time; no row can influence another.

    Raises:
        ValueError: if a probability is not finite.
    """
    device = next(system.buffers()).device
    system.eval()
    with torch.inference_mode():
        logits = [
            system({m: part.to(device) for m, part in zip(x, parts, strict=True)}).double()
            for parts in zip(*(t.split(rows) for t in x.values()), strict=True)
        ]
    probs = torch.cat(logits).softmax(-1).cpu().numpy()
    if bad := int((~np.isfinite(probs)).any(axis=1).sum()):
        raise ValueError(
            f"probabilities are NaN or infinite in {bad} of {len(probs)} rows, expected finite "
            "ones; are the system's weights damaged?"
        )
    return probs
