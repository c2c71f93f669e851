"""How a network computes: in bfloat16 where the machine is fast at it and the network allows it."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor, nn

PRECISIONS = ("float32", "bfloat16")
MOST = 1e-2  # that bfloat16 may deviate from float32

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class How:
    """How a network computes.

    Args:
        precision: of products: "float32", or "bfloat16" by torch's autocast.
        compile: whether torch.compile makes one program of it, which one thread runs: for GPUs.

    Raises:
        ValueError: if the precision is another.
    """

    precision: str = "float32"
    compile: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            expected = " or ".join(PRECISIONS)
            raise ValueError(f"precision is {self.precision!r}, expected {expected}")

    @property
    def apart(self) -> dict[str, str]:
        """Return what is other than float32, not compiled: a part of what decides the numbers."""
        found = {} if self.precision == "float32" else {"precision": self.precision}
        return found | ({"compile": "true"} if self.compile else {})


def settled(
    how: How, network: nn.Module, tried: Sequence[Tensor], *, name: str
) -> tuple[How, float | None]:
    """Return how the network can compute, and how far bfloat16 deviates if it was tried.

    Args:
        how: as asked.
        network: rows -> (embedding, ...), not tuned yet.
        tried: rows of clips on which bfloat16 is tried.
        name: stands in the warning that it is float32 in place of what was asked.
    """
    device, found = next(network.parameters()).device, None
    if how.precision == "float32":
        return how, None
    if not suits(device.type):
        why = f"{device.type} is neither a GPU that knows bfloat16 nor a CPU with AMX"
    elif not (found := max(deviation(network, rows.to(device)) for rows in tried)) < MOST:
        why = f"in bfloat16 an embedding deviates by {found:.2g} of its length, {MOST:g} may be"
    else:
        return how, found
    log.warning("%s runs in float32: %s", name, why)
    return replace(how, precision="float32"), found


def suits(device: str) -> bool:
    """Return whether bfloat16 is faster than float32 there.

    Of CPUs it is on those that multiply tiles of it (AMX); others know it and are slower at it.
    """
    if device == "cpu":
        return bool(torch.cpu._is_amx_tile_supported())
    return torch.cuda.is_bf16_supported(including_emulation=False)


def deviation(network: nn.Module, rows: Float32[Tensor, "row ..."]) -> float:
    """Return the largest |bfloat16 - float32| / |float32| (L2) of a row's embedding."""
    with torch.inference_mode():
        plain, other = (f(rows)[0].flatten(1) for f in (network, partial(in_bfloat16, network)))
    return float(((other - plain).norm(dim=1) / plain.norm(dim=1)).max())


def in_bfloat16(
    forward: Callable[..., Any], rows: Float32[Tensor, "row ..."]
) -> tuple[Float32[Tensor, "row ..."], ...]:
    """Return what a network gives where products are of bfloat16 numbers, as float32."""
    with torch.autocast(rows.device.type, torch.bfloat16):
        return tuple(part.float() for part in forward(rows))


def tune(network: Any, how: How) -> None:
    """Make a network compute so; its parameters stay float32.

    On a GPU, float32 is float32: convolutions, too, keep from TF32. There and in bfloat16, pictures
    lie with their channels last.
    """
    on_gpu = next(network.parameters()).is_cuda
    if on_gpu:
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
    if on_gpu or how.precision == "bfloat16":
        network.to(memory_format=torch.channels_last)
    if how.precision == "bfloat16":
        network.forward = partial(in_bfloat16, network.forward)
    if how.compile:
        network.forward = _in_one_thread(torch.compile(network.forward))


def _in_one_thread(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same function, always called in one thread of its own.

    Torch 2.11 crashes where one thread compiles for a shape and, after its end, another for a
    second shape.
    """
    thread = ThreadPoolExecutor(1)

    def there(rows: Float32[Tensor, "row ..."], inference: bool) -> Any:  # noqa: FBT001
        with torch.inference_mode(inference):
            return forward(rows)

    return lambda rows: thread.submit(there, rows, torch.is_inference_mode_enabled()).result()
