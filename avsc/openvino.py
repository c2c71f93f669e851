"""A network in OpenVINO: an engine for CPUs, faster there than torch, and an optional extra."""

import copy
import sys
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from avsc.threads import cores

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # else it reports home
try:
    import openvino
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"{error.name} is not installed, engine: openvino needs it; pip install 'avsc[openvino]', "
        "or drop engine"
    ) from error

PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
CONVERTER = ThreadPoolExecutor(1)  # torch 2.11 crashes where a second thread exports after a first


def knows_bfloat16() -> bool:
    """Return whether this CPU multiplies bfloat16 numbers, by AVX-512 or AMX."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def forward(
    network: nn.Module, *, precision: str
) -> Callable[[Float32[Tensor, "row ..."]], tuple[Float32[Tensor, "row ..."], ...]]:
    """Return what computes as `network` does now, row after row, each in one thread.

    So the bits of a row hang neither on its company nor on the number of cores, and one program
    serves any number of rows. The first call makes it, for rows of its shape, while no other thread
    may compute with torch: torch's export counts its modes for the whole process. From then on
    threads may call it side by side, as many as there are cores.

    Args:
        network: rows -> (embedding, ...), in evaluation mode; it may get this as its `forward`.
        precision: of products.

    Raises:
        ValueError: if the network lies on another device than a CPU, or, when called, if a row is
            of another shape than the first ones.
    """
    if (device := next(network.parameters()).device.type) != "cpu":
        raise ValueError(
            f"engine is openvino, which computes on a CPU, but the network is on {device}; "
            "set AVSC_DEVICE=cpu, or drop engine"
        )
    plain = copy.copy(network)

    made: dict[Sequence[int], Any] = {}

    def run(rows: Float32[Tensor, "row ..."]) -> tuple[Float32[Tensor, "row ..."], ...]:
        shape = tuple(rows.shape[1:])
        if not made:
            made[shape] = CONVERTER.submit(_program, plain, shape, precision).result()
        if shape not in made:
            raise ValueError(
                f"engine: openvino takes rows of one shape, found {shape} after "
                f"{next(iter(made))}; set decode.seconds, so that all clips are as long, or drop "
                "engine"
            )
        request = made[shape].create_infer_request()
        found = [request.infer([row.numpy()]).values() for row in rows.split(1)]
        return tuple(torch.cat([*map(torch.from_numpy, part)]) for part in zip(*found, strict=True))

    return run


def _program(network: nn.Module, shape: Sequence[int], precision: str) -> Any:
    """Return what computes one row of a shape, for each core at once."""
    with torch.inference_mode(mode=False), torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`isinstance", FutureWarning)  # torch's of its own code
        exported = torch.export.export(network, (torch.zeros(1, *shape),))
        model = openvino.convert_model(exported, input=[openvino.PartialShape([1, *shape])])
    config = {
        "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
        "NUM_STREAMS": cores(),
        "INFERENCE_NUM_THREADS": cores(),
        "ENABLE_CPU_PINNING": False,  # other processes would be pinned to the same cores
    }
    return openvino.compile_model(model, "CPU", config)
