"""How a network computes: by which engine, and in bfloat16 where machine and network allow it."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

PRECISIONS = ("float32", "bfloat16")
ENGINES = ("torch", "openvino")
MOST = 1e-2  # that what is tried may deviate from torch in float32

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class How:
    """How a network computes.

    Args:
        precision: of products: "float32", or "bfloat16", with torch by its autocast.
        engine: "torch", or "openvino" on a CPU.
        compile: whether torch.compile makes one program of it, which one thread runs: for GPUs.

    Raises:
        ValueError: if precision or engine is another, or what only torch does is asked of OpenVINO.
    """

    precision: str = "float32"
    engine: str = "torch"
    compile: bool = False

    def __post_init__(self) -> None:
        for key, found, known in (
            ("precision", self.precision, PRECISIONS),
            ("engine", self.engine, ENGINES),
        ):
            if found not in known:
                raise ValueError(f"{key} is {found!r}, expected {' or '.join(known)}")
        if self.compile and self.engine != "torch":
            raise ValueError(
                f"compile is torch's, but engine is {self.engine}, which always compiles; drop one"
            )

    @property
    def plain(self) -> bool:
        """Return whether it is torch in float32, compiled or not."""
        return (self.engine, self.precision) == ("torch", "float32")

    @property
    def apart(self) -> dict[str, str]:
        """Return what is other than torch in float32, not compiled: it decides numbers, too."""
        found = {} if self.engine == "torch" else {"engine": self.engine}
        found |= {} if self.precision == "float32" else {"precision": self.precision}
        return found | ({"compile": "true"} if self.compile else {})


def settled(
    how: How, network: nn.Module, tried: Sequence[Tensor], *, name: str
) -> tuple[How, float | None]:
    """Return how the network can compute, and how far what was tried last deviates, if finite.

    An engine and bfloat16 are tried. What is not good enough gives way, bfloat16 first.

    Args:
        how: as asked.
        network: rows -> (embedding, ...), not tuned yet.
        tried: rows of clips on which it is tried.
        name: stands in the warning that it is not what was asked.

    Raises:
        ModuleNotFoundError: if the engine is not installed.
        ValueError: if the engine does not compute where the network is.
    """
    device, found = next(network.parameters()).device, np.nan
    while not how.plain:
        so = forward(network, how)
        why = hindrance(how, device.type)
        if not why:
            found = float(np.max([deviation(network, so, rows.to(device)) for rows in tried]))
            if found < MOST:
                break
            way = "in bfloat16" if how.precision == "bfloat16" else f"by {how.engine}"
            why = f"{way} an embedding deviates by {found:.2g} of its length, {MOST:g} may be"
        if how.precision == "bfloat16":
            how = replace(how, precision="float32")
            log.warning("%s runs in float32: %s", name, why)
        else:
            how = replace(how, engine="torch")
            log.warning("%s runs in torch: %s", name, why)
    return how, found if np.isfinite(found) else None


def hindrance(how: How, device: str) -> str:
    """Return why a precision would not be faster there, if so; `device` without a number."""
    if how.precision == "float32":
        return ""
    if how.engine == "openvino":
        return "" if _openvino().knows_bfloat16() else f"this {device} does not know bfloat16"
    return (
        "" if suits(device) else f"{device} is neither a GPU that knows bfloat16 nor a CPU with AMX"
    )


def _openvino() -> Any:
    """Return the module of that engine, which is not installed everywhere."""
    from avsc import openvino

    return openvino


def suits(device: str) -> bool:
    """Return whether torch is faster in bfloat16 than in float32 there.

    Of CPUs it is on those that multiply tiles of it (AMX); others know it and are slower at it.
    """
    if device == "cpu":
        return bool(torch.cpu._is_amx_tile_supported())
    return torch.cuda.is_bf16_supported(including_emulation=False)


def deviation(
    network: nn.Module, so: Callable[..., Any], rows: Float32[Tensor, "row ..."]
) -> float:
    """Return the largest |other - float32| / |float32| (L2) of a row's embedding.

    Args:
        network: gives the float32 embedding.
        so: gives the other one.
        rows: of both.
    """
    with torch.inference_mode():
        plain, other = (f(rows)[0].flatten(1) for f in (network, so))
    return float(((other - plain).norm(dim=1) / plain.norm(dim=1)).max())


def forward(network: nn.Module, how: How) -> Callable[..., Any]:
    """Return what computes as `network` does, by the engine and in the precision asked for."""
    if how.engine == "openvino":
        return _openvino().forward(network, precision=how.precision)
    return partial(in_bfloat16, network.forward) if how.precision == "bfloat16" else network.forward


def in_bfloat16(
    forward: Callable[..., Any], rows: Float32[Tensor, "row ..."]
) -> tuple[Float32[Tensor, "row ..."], ...]:
    """Return what a network gives where products are of bfloat16 numbers, as float32."""
    with torch.autocast(rows.device.type, torch.bfloat16):
        return tuple(part.float() for part in forward(rows))


def tune(network: Any, how: How) -> None:
    """Make a network compute so; its parameters stay float32.

    On a GPU and in torch's bfloat16, pictures lie with their channels last.
    """
    on_gpu = next(network.parameters()).is_cuda
    if on_gpu or (how.engine == "torch" and how.precision == "bfloat16"):
        network.to(memory_format=torch.channels_last)
    if not how.plain:
        network.forward = forward(network, how)
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
