"""Learning-rate schedules, advanced once an epoch."""

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, ReduceLROnPlateau

from avsc import spelling

Advance = Callable[[float], None]


def create(name: str, optimizer: Optimizer, **hparams: Any) -> Advance:
    """Return a function to call after each epoch with its validation loss; it sets the next rate.

    Args:
        name: constant | cosine_restarts | plateau.
        optimizer: its rates are what the schedule starts from.
        **hparams: what that schedule alone takes.

    Raises:
        ValueError: if there is no such schedule.
        TypeError: if it does not take one of `hparams`.
    """
    if name not in SCHEDULES:
        raise ValueError(f"schedule is {name!r}, {spelling.expected(name, SCHEDULES)}")
    return SCHEDULES[name](optimizer, **hparams)


def constant(optimizer: Optimizer) -> Advance:  # noqa: ARG001 (every schedule takes one)
    """Leave the rate as it is."""
    return lambda _: None


def cosine_restarts(
    optimizer: Optimizer, *, period: int = 10, growth: int = 1, lr_min: float = 1e-5
) -> Advance:
    """Let the rate fall to `lr_min` along half a cosine, then start over.

    Args:
        optimizer: whose rate it is.
        period: epochs of the first fall.
        growth: how many times as long each fall is as the one before.
        lr_min: the rate that a fall ends at.

    References:
        Loshchilov, Hutter, SGDR, ICLR 2017; Chen et al. give 1e-2 to 1e-5 and no period.
    """
    schedule = CosineAnnealingWarmRestarts(optimizer, T_0=period, T_mult=growth, eta_min=lr_min)
    return lambda _: schedule.step()


def plateau(
    optimizer: Optimizer, *, patience: int = 3, factor: float = 0.1, lr_min: float = 0.0
) -> Advance:
    """Multiply the rate by `factor` after more than `patience` epochs without a lower loss."""
    schedule = ReduceLROnPlateau(optimizer, patience=patience, factor=factor, min_lr=lr_min)
    return schedule.step


SCHEDULES: dict[str, Callable[..., Advance]] = {
    "constant": constant,
    "cosine_restarts": cosine_restarts,
    "plateau": plateau,
}
