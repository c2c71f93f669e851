"""The `fit` block of an experiment: how its head is trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

NEEDS: Mapping[str, list[str]] = {  # what a head has to offer for a strategy
    "unimodal": ["branch_logits"],
    "infonce": ["branch_embeddings"],
    "ogm": ["branch_logits", "branches"],
}
Share = Annotated[float, "0 <= x <= 1"]
Weight = Annotated[float, "x >= 0"]


@dataclass(frozen=True)
class Options:
    """How a head is trained; every strategy is off by default.

    Attributes:
        epochs: at most.
        batch_size: rows a step.
        lr: learning rate.
        optimizer: of the steps.
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

    epochs: Annotated[int, "x >= 1"] = 200
    batch_size: Annotated[int, "x >= 2"] = 64  # two: for batch normalisation
    lr: Annotated[float, "x > 0"] = 1e-4
    optimizer: Annotated[str, "adam | adamw | sgd"] = "adam"
    weight_decay: Weight = 1e-4
    momentum: Annotated[float, "0 <= x < 1"] = 0.0
    schedule: Mapping[str, Any] = field(default_factory=lambda: {"name": "constant"})
    patience: Annotated[int, "x >= 0"] = 0
    label_smoothing: Share = 0.0
    modality_dropout: Share = 0.0
    drop_audio: Share = 0.5
    mixup: Weight = 0.0
    unimodal: Weight = 0.0
    infonce: Weight = 0.0
    ogm: Weight = 0.0
    ogm_noise: bool = True
    ogm_epochs: Annotated[int, "x >= 0"] = 0
    temperature: bool = False

    @property
    def drops(self) -> list[str]:
        """Return the modalities that rows may lose in training."""
        shares = {"audio": self.drop_audio, "video": 1 - self.drop_audio}
        return [m for m, share in shares.items() if self.modality_dropout * share > 0]

    def check(self, head: Any) -> None:
        """Refuse what the head cannot do.

        Raises:
            ValueError: if nothing would be trained, the optimizer is unknown, or a strategy needs
                what `head` does not offer.
        """
        for name, least in {"epochs": 1, "batch_size": 2}.items():
            if getattr(self, name) < least:
                raise ValueError(
                    f"fit.{name} is {getattr(self, name)}, expected at least {least}; raise it"
                )
        if self.modality_dropout and hasattr(head, "solve"):
            name = type(head).__module__.split(".")[-1]
            raise ValueError(
                f"fit.modality_dropout is {self.modality_dropout}, but {name} is not trained in "
                "steps; set it to 0 or take another head"
            )
        for strategy, methods in NEEDS.items():
            lacking = [m for m in methods if not hasattr(head, m)]
            if getattr(self, strategy) and lacking:
                name = type(head).__module__.split(".")[-1]
                raise ValueError(
                    f"fit.{strategy} needs a head with {' and '.join(methods)}, but {name} has no "
                    f"{' and no '.join(lacking)}; set fit.{strategy} to 0 or take another head"
                )
