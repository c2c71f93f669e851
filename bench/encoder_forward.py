"""Encoder forward: a clip's ten seconds at once, in bf16 where the CPU has AMX, and by OpenVINO.

Networks with random weights, on input that is ready. Instead of a batch: second after second, in
fp32. Instead of bf16 in channels_last: the same batch in fp32. Without AMX, bf16 is slower than
fp32 on a CPU, so that row stays empty there. OpenVINO has a clip for each core, as extraction has,
and so has torch beside it. `difference` of bf16 and of OpenVINO is one less the cosine. The floor
is what the matrix products of a batch would take alone, in the same precision.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import avsc.encoders
from avsc.device import device
from avsc.encoders import ast, timm_image
from avsc.precision import How, forward
from avsc.threads import cores, in_threads
from bench._floor import flop, flop_per_s
from bench._table import has_amx, main, without_openvino
from bench._turns import Row, compared, difference, in_turns, threads

REACH_BF16 = 2.5
AST: dict[str, Any] = {"config": {"num_labels": 527}, "weights": "random"}
NETWORKS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "AST-base": ("ast", AST, (98, 128)),
    "ConvNeXt-Base": (
        "timm_image",
        {"name": "convnext_base", "weights": "random"},
        (1, 3, 224, 224),
    ),
    "ResNet50": ("timm_image", {"name": "resnet50", "weights": "random"}, (1, 3, 224, 224)),
}
BY_OPENVINO = {
    "OpenVINO": How(engine="openvino"),
    "OpenVINO in bf16": How(engine="openvino", precision="bfloat16"),
}
SMALL: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "a tiny AST": ("ast", ast.TINY, (98, 128)),
    "a tiny ConvNeXt": ("timm_image", timm_image.TINY, (1, 3, 32, 32)),
}


def results(*, quick: bool = False) -> list[Row]:
    """Return four rows for each network: the batch, bf16, and OpenVINO in both precisions."""
    networks, repeats = (SMALL, 1) if quick else (NETWORKS, 2)
    return [row for name in networks for row in _rows(name, *networks[name], repeats)]


def _rows(
    name: str, encoder: str, params: dict[str, Any], shape: tuple[int, ...], repeats: int
) -> list[Row]:
    model: nn.Module = avsc.encoders.create(encoder, device=device(), **params).model
    count = 10 if device() == "cpu" else 256  # of which a GPU would hardly notice ten
    rows = torch.randn(count, *shape, generator=torch.Generator().manual_seed(0)).to(device())
    fast = device() != "cpu" or has_amx()
    sides: dict[str, Callable[[], Tensor]] = {
        "batch": lambda: embedding(model, rows),
        "alone": lambda: torch.cat([embedding(model, row[None]) for row in rows]),
    }
    if fast:
        sides["bf16"] = lambda: in_bf16(model, rows)
    with threads(cores()), torch.no_grad():
        given, took = in_turns(sides, repeats=repeats)
        arithmetic = flop(lambda: model(rows))
        floor_s = arithmetic / flop_per_s()
        floor_bf16_s = arithmetic / flop_per_s(torch.bfloat16) if fast else None
    return [
        compared(
            f"{name}: {len(rows)} seconds at once",
            "second after second",
            took["batch"],
            took["alone"],
            difference=difference(given["batch"], given["alone"]),
            floor_s=floor_s,
        ),
        compared(
            f"{name}: bf16",
            "fp32",
            took.get("bf16"),
            took["batch"] if fast else None,
            reach=REACH_BF16,
            difference=_off(given["bf16"], given["batch"]) if fast else None,
            floor_s=floor_bf16_s,
            remark="" if fast else "no AMX",
        ),
        *_by_openvino(name, model, rows, repeats),
    ]


def _by_openvino(name: str, model: nn.Module, rows: Tensor, repeats: int) -> list[Row]:
    lacks = {engine: without_openvino(how.precision) for engine, how in BY_OPENVINO.items()}
    ways = {"torch": model.forward} | {
        engine: forward(model, how) for engine, how in BY_OPENVINO.items() if not lacks[engine]
    }
    sides = {way: partial(a_clip_a_core, so, rows) for way, so in ways.items()}
    given, took = in_turns(sides, repeats=repeats) if len(sides) > 1 else ({}, {})
    return [
        compared(
            f"{name}: {engine}, a clip a core",
            "torch in fp32, a clip a core",
            took.get(engine),
            took.get("torch"),
            difference=_off(given[engine], given["torch"]) if engine in given else None,
            remark=lacks[engine],
        )
        for engine in BY_OPENVINO
    ]


def a_clip_a_core(so: Callable[..., Any], rows: Tensor) -> Tensor:
    """Return the embeddings of the same clip on each core, each in one thread."""

    def one(clip: Tensor) -> Tensor:
        with torch.inference_mode():
            return so(clip)[0]

    with threads(1):
        return torch.cat([*in_threads(one, threads=cores())(iter([rows] * cores()))])


def embedding(model: nn.Module, rows: Tensor) -> Tensor:
    """Return the embeddings in fp32."""
    with torch.inference_mode():
        return model(rows)[0].float().cpu()


def in_bf16(model: nn.Module, rows: Tensor) -> Tensor:
    """Return the embeddings by bf16 autocast, pictures in channels_last."""
    if rows.ndim == 5:
        rows = rows[:, 0].contiguous(memory_format=torch.channels_last)[:, None]
    with torch.autocast(rows.device.type, torch.bfloat16):
        return embedding(model, rows)


def _off(found: Tensor, expected: Tensor) -> float:
    return 1 - nn.functional.cosine_similarity(found, expected).min().item()


if __name__ == "__main__":
    main("encoder_forward")
