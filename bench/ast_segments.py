"""AST on one-second segments: 98 frames with the position embedding cut, beside 1024 frames.

The network of AST-base, 12 layers, with random weights. Silence filled in changes what the network
says; the difference is that of both networks where both see all 1024 frames.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import ASTForAudioClassification

import avsc.encoders
from avsc.device import device
from avsc.encoders.ast import TINY
from avsc.threads import cores
from bench._table import main
from bench._turns import Row, compared, difference, in_turns, threads

FRAMES, FILLED = 98, 1024  # of a second; of ten seconds, what AST was trained on
REACH = 8.0


def results(*, quick: bool = False) -> list[Row]:
    """Return one row."""
    small: dict[str, Any] = TINY | {"config": TINY["config"] | {"max_length": FILLED}}
    base: dict[str, Any] = {"config": {"num_labels": 527}, "weights": "random"}
    segments, repeats = (2, 1) if quick else (2, 3)
    encoder: Any = avsc.encoders.create("ast", device=device(), **(small if quick else base))
    theirs = ASTForAudioClassification(encoder.model.config).to(device()).eval()
    theirs.load_state_dict(encoder.model.state_dict())
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(segments, FILLED, 128, generator=generator).to(device())
    frames[:, FRAMES:] = 0.4670  # silence, as ASTFeatureExtractor normalises its zeros
    sides = {
        "ours": partial(logits, encoder.model, frames[:, :FRAMES]),
        "filled": partial(logits_of, theirs, frames),
    }
    with threads(cores()):
        given, took = in_turns(sides, repeats=repeats)
        unfilled = logits(encoder.model, frames)
    return [
        compared(
            f"{segments} seconds through AST of {encoder.model.config.num_hidden_layers} layers",
            f"each filled up to {FILLED} frames",
            took["ours"],
            took["filled"],
            reach=REACH,
            difference=difference(unfilled, given["filled"]),
        )
    ]


def logits(model: Any, frames: Tensor) -> Tensor:
    """Return what our network says of frames."""
    with torch.inference_mode():
        return model(frames)[1].cpu()


def logits_of(net: ASTForAudioClassification, frames: Tensor) -> Tensor:
    """Return what the network of transformers says of frames."""
    with torch.inference_mode():
        return net(frames).logits.cpu()


if __name__ == "__main__":
    main("ast_segments")
