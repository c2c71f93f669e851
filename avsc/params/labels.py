"""The section `pseudo_label`: keys, types, ranges and defaults."""

from dataclasses import dataclass
from typing import Annotated, Literal

from avsc.params.checks import Entry, Tree
from avsc.params.fields import Fault


@dataclass(frozen=True)
class Tags:
    """How the logits of a tagger become labels.

    Attributes:
        tagger: an encoder that scores classes.
        activation: of the logits.
        pooling: over the seconds of a clip; none: each second has labels of its own.
        threshold: of the probability from which a class is a label; or
        quantile: the share of the training fold's rows in which a class is no label.
    """

    tagger: Annotated[str, Entry(("embed",))]
    activation: Literal["sigmoid", "softmax"]
    pooling: Literal["max", "mean", "none"]
    threshold: Annotated[float, "0 <= x <= 1"] | None = None
    quantile: Annotated[float, "0 <= x <= 1"] | None = None

    def faults(self, _: str, __: Tree) -> list[Fault]:
        """Return a fault unless either threshold or quantile is given."""
        if (self.threshold is None) != (self.quantile is None):
            return []
        return [Fault((), "expected either threshold or quantile")]


@dataclass(frozen=True)
class PseudoLabel:
    """Events and objects that taggers find.

    Attributes:
        truth: a file of data/truth/ that they are compared with, or none.
        events: of sounds.
        objects: of pictures.
    """

    truth: str
    events: Tags
    objects: Tags
