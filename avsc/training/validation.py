"""What is decided on the validation fold: the best epoch, by its loss, and the temperature.

Rows pass the head some thousands at a time: attention over classes takes a megabyte a row.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from avsc.training.folds import Fold
from avsc.training.options import Options
from avsc.training.strategies.calibration import fit_temperature
from avsc.training.system import Batch, System

AT_ONCE = 4096  # rows


def evaluate(forward: Callable[[Batch], Tensor], fold: Fold) -> dict[str, float]:
    """Return mean cross-entropy and accuracy over the rows of `fold`."""
    return scores(logits(forward, fold), fold.targets)


def scores(found: Float[Tensor, "row scene"], targets: Int64[Tensor, " row"]) -> dict[str, float]:
    """Return mean cross-entropy and accuracy of logits."""
    return {
        "val_loss": nn.functional.cross_entropy(found.double(), targets).item(),
        "val_accuracy": (found.argmax(1) == targets).double().mean().item(),
    }


def check_finite(val_loss: float, name: str, epoch: int, o: Options) -> None:
    """Refuse a validation loss by which no epoch could be chosen.

    Raises:
        ValueError: if it is not finite.
    """
    if not math.isfinite(val_loss):
        raise ValueError(
            f"{name}: validation loss is {val_loss} in epoch {epoch}, expected a number; lower "
            f"fit.lr ({o.lr}), or look for validation rows far from all training rows"
        )


def calibrate(system: System, fold: Fold) -> None:
    """Fit the temperature of a trained system on rows that are prepared."""
    found = logits(system.eval().head, fold).double().cpu().numpy()
    system.temperature.fill_(fit_temperature(found, fold.targets.cpu().numpy()))


def logits(forward: Callable[[Batch], Tensor], fold: Fold) -> Float[Tensor, "row scene"]:
    """Return what `forward` gives for all rows, without gradients."""
    with torch.inference_mode():
        return torch.cat(
            [
                forward({m: rows[start : start + AT_ONCE] for m, rows in fold.x.items()})
                for start in range(0, len(fold.targets), AT_ONCE)
            ]
        )
