"""The `fit` block of an experiment: how its head is trained."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from avsc import spelling

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


@dataclass(frozen=True)
class Options:
    """How a head is trained; every strategy is off by default.

    Attributes:
        epochs: at most.
        batch_size: rows a step.
        lr: learning rate.
        optimizer: a key of OPTIMIZERS.
        weight_decay: of the optimizer.
        momentum: of SGD.
        schedule: name and arguments of a schedule in strategies/schedules.py.
        patience: stop after this many epochs without a better validation loss; 0: never.
        label_smoothing: of the cross-entropy.
        modality_dropout: probability that a row loses a modality.
        drop_audio: probability that the modality it loses is the audio.
        mixup: alpha of audio-visual joint mixup; 0: none.
        unimodal: weight of each branch's own loss.
        infonce: weight of the alignment of the branches' embeddings.
        ogm: alpha of on-the-fly gradient modulation; 0: none.
        ogm_noise: whether it adds noise of the gradient's own deviation (OGM-GE).
        ogm_epochs: modulate in so many first epochs; 0: in all.
        temperature: scale the logits by one number, fitted on validation once training is over.
    """

    epochs: int = 200
    batch_size: int = 64
    lr: float = 1e-4
    optimizer: str = "adam"
    weight_decay: float = 1e-4
    momentum: float = 0.0
    schedule: dict[str, Any] = field(default_factory=lambda: {"name": "constant"})
    patience: int = 0
    label_smoothing: float = 0.0
    modality_dropout: float = 0.0
    drop_audio: float = 0.5
    mixup: float = 0.0
    unimodal: float = 0.0
    infonce: float = 0.0
    ogm: float = 0.0
    ogm_noise: bool = True
    ogm_epochs: int = 0
    temperature: bool = False

    def check(self, head: nn.Module) -> None:
        """Refuse what the head cannot do.

        Raises:
            ValueError: if nothing would be trained, the optimizer is unknown, or a strategy needs
                what `head` does not offer.
        """
        for name, least in {"epochs": 1, "batch_size": 2}.items():  # two: for batch normalisation
            if getattr(self, name) < least:
                raise ValueError(
                    f"fit.{name} is {getattr(self, name)}, expected at least {least}; raise it"
                )
        if self.optimizer not in OPTIMIZERS:
            expected = spelling.expected(self.optimizer, sorted(OPTIMIZERS))
            raise ValueError(f"fit.optimizer is {self.optimizer!r}, {expected}")
        needs = {
            "unimodal": ["branch_logits"],
            "infonce": ["branch_embeddings"],
            "ogm": ["branch_logits", "branches"],
        }
        for strategy, methods in needs.items():
            lacking = [m for m in methods if not hasattr(head, m)]
            if getattr(self, strategy) and lacking:
                name = type(head).__module__.split(".")[-1]
                raise ValueError(
                    f"fit.{strategy} needs a head with {' and '.join(methods)}, but {name} has no "
                    f"{' and no '.join(lacking)}; set fit.{strategy} to 0 or take another head"
                )

    def optimise(self, parameters: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return the optimizer of `parameters`."""
        sgd = self.optimizer == "sgd"
        more: dict[str, Any] = {"momentum": self.momentum} if sgd else {"fused": True}
        return OPTIMIZERS[self.optimizer](
            parameters, lr=self.lr, weight_decay=self.weight_decay, **more
        )
