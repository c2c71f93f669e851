"""A second device for machines without one; what forgets on which it is, is refused as by CUDA.

A tensor there keeps its numbers on the CPU, which computes with them, so that all of training runs
and gives what it gives here. The device's name is torch's "meta": torch's own fake tensors of CUDA
(FakeTensorMode) hold no numbers and, without a driver, take no gradient.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.optim import optimizer
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

NAME = "meta"
GENERATORS: dict[int, torch.Generator] = {}  # of the other device
ACROSS = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class There(torch.Tensor):
    """A tensor of the other device; its `numbers` are on the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, numbers):
        layout = {"strides": numbers.stride(), "storage_offset": numbers.storage_offset()}
        return torch.Tensor._make_wrapper_subclass(
            cls, numbers.size(), dtype=numbers.dtype, device=NAME, **layout
        )

    def __init__(self, numbers):
        self.numbers = numbers

    def tolist(self):
        return self.numbers.tolist()

    @classmethod
    def __torch_dispatch__(cls, op, types, args=(), kwargs=None):
        return computed(op, args, kwargs or {})


class Elsewhere(TorchDispatchMode):
    """Where this is, tensors can be made there."""

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        return computed(op, args, kwargs or {})


class Generator(torch.Generator):
    """A generator of either device."""

    def __new__(cls, device="cpu"):
        made = super().__new__(cls)
        if device == NAME:
            GENERATORS[made._cdata] = made
        return made


def computed(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what an operation gives, on the device that CUDA would give it on.

    Raises:
        RuntimeError: if it takes tensors of both devices (a single number may be on the CPU), or
            draws on one with the generator of the other.
    """
    tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
    there = {id(t.numbers): t for t in tensors if isinstance(t, There)}
    here = [tuple(t.shape) for t in tensors if t.ndim and not isinstance(t, There)]
    if there and here and op not in ACROSS:
        raise RuntimeError(f"{op} takes tensors of both devices; on the CPU is one of {here[0]}")
    asked = kwargs.get("device")
    first = args[:1] if op in ACROSS else tensors
    to_there = asked.type == NAME if asked else any(isinstance(t, There) for t in first)
    rng = kwargs.get("generator")
    if rng is not None and (rng._cdata in GENERATORS) != to_there:
        raise RuntimeError(f"{op} draws with the generator of another device")
    own = kwargs | ({"device": torch.device("cpu")} if asked else {})
    args_here, kwargs_here = tree_map_only(There, lambda t: t.numbers, (args, own))
    result = op(*args_here, **kwargs_here)
    if there and torch.Tag.inplace_view in op.tags:
        with no_dispatch():
            op(*args, **kwargs)
    if not to_there:
        return result
    return tree_map_only(
        torch.Tensor, lambda t: there[id(t)] if id(t) in there else There(t), result
    )


@contextmanager
def a_second_device() -> Iterator[str]:
    """Give the name of the device, for this thread; what is on it is of no use outside."""
    with pytest.MonkeyPatch.context() as patch, Elsewhere():
        patch.setattr(torch, "Generator", Generator)
        patch.setattr(torch, "inference_mode", torch.no_grad)
        known = "_get_fused_kernels_supported_devices"
        patch.setattr(optimizer, known, lambda: ["cpu", NAME])
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        try:
            yield NAME
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(False)
