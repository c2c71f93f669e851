"""Optimisers of torch by their names in `fit`."""

from collections.abc import Callable
from typing import Any

import torch

from avsc import spelling
from avsc.training.options import Options

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


def create(o: Options, parameters: list[torch.Tensor]) -> torch.optim.Optimizer:
    """Return the optimizer of `parameters`.

    Raises:
        ValueError: if there is no such optimizer.
    """
    if o.optimizer not in OPTIMIZERS:
        expected = spelling.expected(o.optimizer, sorted(OPTIMIZERS))
        raise ValueError(f"fit.optimizer is {o.optimizer!r}, {expected}")
    more: dict[str, Any] = {"momentum": o.momentum} if o.optimizer == "sgd" else {"fused": True}
    return OPTIMIZERS[o.optimizer](parameters, lr=o.lr, weight_decay=o.weight_decay, **more)
