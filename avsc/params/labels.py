"""The section `pseudo_label`: keys, types, ranges and defaults."""

from dataclasses import dataclass
from typing import Annotated, Literal

from avsc.params.checks import Entry, Tree, section
from avsc.params.fields import Fault
from avsc.params.signatures import modality_of, signature


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

    def faults(self, _: str, tree: Tree) -> list[Fault]:
        """Return taggers of the other modality, and encoders that score no classes."""
        found = []
        for kind, modality in {"events": "audio", "objects": "video"}.items():
            tagger = getattr(self, kind).tagger
            block = section(tree, "embed").get(tagger)
            encoder = block.get("encoder") if isinstance(block, dict) else None
            if (own := modality_of(str(encoder))) is None:
                continue
            if own != modality:
                text = f"{tagger} is an encoder of {own}, expected one of {modality}"
                found.append(Fault((kind, "tagger"), text))
            elif "classes" not in signature(f"encoders.{encoder}", "Encoder").kinds:
                text = f"{tagger} ({encoder}) scores no classes; take another, such as ast"
                found.append(Fault((kind, "tagger"), text))
        return found
