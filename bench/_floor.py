"""The floor: how long matrix products alone would take this machine, had it nothing else to do."""

from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from avsc.device import device
from bench._turns import seconds_of

SIDE = {"cpu": 2048, "cuda": 8192}  # of the square matrices that are multiplied
TRIES = 8


def flop(work: Callable[[], object]) -> int:
    """Return the arithmetic of a piece of work, a multiplication and an addition each.

    Torch counts matrix products and convolutions, forward and backward, but not the products inside
    a fused attention, so attention is not fused here.
    """
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def flop_per_s(dtype: torch.dtype = torch.float32, *, side: int | None = None) -> float:
    """Return the arithmetic of a second where a product of large square matrices is all there is.

    Args:
        dtype: of the matrices.
        side: of the matrices; None takes one that suits the device.
    """
    where = device().partition(":")[0]
    side = side or SIDE[where]
    a, b = (torch.randn(side, side).to(device(), dtype) for _ in range(2))

    def product() -> None:
        _ = a @ b
        if where == "cuda":
            torch.cuda.synchronize(device())

    product()
    return 2 * side**3 / min(seconds_of(product) for _ in range(TRIES))
