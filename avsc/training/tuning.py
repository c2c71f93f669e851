"""The `fit` block of an entry of `finetune`: how encoders and head are trained together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from avsc import spelling

PRECISIONS = {"float32": "no", "bfloat16": "bf16"}  # as Accelerate calls them
Count = Annotated[int, "x >= 1"]


@dataclass(frozen=True)
class Tuning:
    """How a network is trained end to end.

    Attributes:
        epochs: at most.
        batch_size: rows a step, of all processes together.
        rows_at_once: the most that a process passes through the network at once. The gradients of
            a step are added up, so that it is a matter of memory alone.
        lr: highest learning rate of the encoders. It rises to there along a line, then falls to 0
            along half a cosine; so does the other.
        head_lr: highest learning rate of the head.
        warmup: the part of all steps in which the rates rise.
        weight_decay: of AdamW.
        clip_norm: longest gradient of a step, over all parameters; 0: any.
        label_smoothing: of the cross-entropy.
        patience: stop after this many epochs without a better validation loss; 0: never.
        precision: float32 | bfloat16, of the products of a pass, where the device is faster in it;
            weights stay float32.
        freeze: modalities whose encoders stay as they are.
    """

    epochs: Count = 10
    batch_size: Count = 32
    rows_at_once: Count = 32
    lr: Annotated[float, "x > 0"] = 5e-6
    head_lr: Annotated[float, "x > 0"] = 1e-4
    warmup: Annotated[float, "0 <= x < 1"] = 0.1
    weight_decay: Annotated[float, "x >= 0"] = 0.01
    clip_norm: Annotated[float, "x >= 0"] = 1.0
    label_smoothing: Annotated[float, "0 <= x <= 1"] = 0.0
    patience: Annotated[int, "x >= 0"] = 0
    precision: Annotated[str, "float32 | bfloat16"] = "float32"
    freeze: Sequence[str] = ()

    def check(self, modalities: Sequence[str]) -> None:
        """Refuse what cannot be trained.

        Raises:
            ValueError: if a value is out of its range, or no encoder is left to train.
        """
        positive = ("epochs", "batch_size", "rows_at_once")
        if low := [name for name in positive if getattr(self, name) < 1]:
            raise ValueError(f"fit.{low[0]} is {getattr(self, low[0])}, expected at least 1")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"fit.warmup is {self.warmup}, expected a part of the steps, below 1")
        if self.precision not in PRECISIONS:
            expected = spelling.expected(self.precision, PRECISIONS)
            raise ValueError(f"fit.precision is {self.precision!r}, {expected}")
        if unknown := sorted(set(self.freeze) - set(modalities)):
            raise ValueError(f"fit.freeze has {unknown}, expected some of {sorted(modalities)}")
        if set(self.freeze) == set(modalities):
            raise ValueError(
                f"fit.freeze has {sorted(modalities)}, so no encoder is left to train; `train` "
                "fits a head on frozen encoders"
            )

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, as a part of the highest."""
        rising = math.ceil(self.warmup * steps)
        if step < rising:
            return (step + 1) / rising
        return (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2
