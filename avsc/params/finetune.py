"""The section `finetune`: keys, types, ranges and defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from avsc.params.checks import Arguments, KeysOf, Labels, PlugIn, Tree
from avsc.params.encoders import encoder_faults
from avsc.params.fields import Fault, Rest
from avsc.params.heads import head_faults
from avsc.params.signatures import modality_of
from avsc.training.tuning import Tuning


@dataclass(frozen=True)
class Network:
    """An encoder that `finetune` trains, as in `embed`; encoder and weights none: none."""

    encoder: str
    weights: str
    sha256: str | None = None
    arguments: Annotated[Arguments, Rest()] = field(default_factory=dict)

    def faults(self, _: str, tree: Tree) -> list[Fault]:
        """Return arguments that the encoder does not take."""
        if self.encoder == "none":
            return []
        if unknown := PlugIn("encoders").faults(self.encoder, ("encoder",), tree):
            return unknown
        return encoder_faults(self.encoder, self.weights, self.arguments)


@dataclass(frozen=True)
class Finetune:
    """Encoders trained end to end with a head.

    Attributes:
        audio: the encoder of sound.
        video: the encoder of pictures.
        labels: pseudo-labels that the head learns from, or none.
        head: a file of avsc/heads/.
        hparams: arguments of the head.
        fit: how they are trained.
        seed: of the first weights and the order of rows; null: the project's.
    """

    audio: Network
    video: Network
    labels: Labels
    head: Annotated[str, PlugIn("heads")]
    hparams: Arguments = field(default_factory=dict)
    fit: Annotated[Mapping[str, Any], KeysOf(Tuning)] = field(default_factory=dict)
    seed: int | None = None

    def faults(self, _: str, __: Tree) -> list[Fault]:
        """Return arguments that the head does not take, and encoders of the wrong modality."""
        found = head_faults(self.head, self.hparams, {})
        for modality, network in {"audio": self.audio, "video": self.video}.items():
            own = modality_of(network.encoder)
            if own not in (modality, None):
                text = f"{network.encoder} is an encoder of {own}"
                found.append(Fault((modality, "encoder"), text))
        return found
