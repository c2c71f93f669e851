"""The sections `map`, `compare`, `fusion` and `robustness`: keys, types and defaults."""

from dataclasses import dataclass
from typing import Annotated, Literal

from avsc.params.checks import Entry, Labels, Modality, PlugIn, Tree, repeated, section
from avsc.params.fields import Fault, nearest
from avsc.params.inputs import Source, new_inputs, streams_of
from avsc.params.signatures import methods

System = Annotated[str, Entry(("train", "ensemble"))]


@dataclass(frozen=True)
class Map:
    """What a trained system learned, drawn as points.

    Attributes:
        experiment: a trained experiment.
        inputs: those of the experiment, once more.
        labels: those of the experiment, once more.
        of: embeddings of the test fold, or weights of the classes.
    """

    MOVED = {"audio": new_inputs, "video": new_inputs}  # noqa: RUF012

    experiment: Annotated[str, Entry(("train",))]
    inputs: Source
    labels: Labels
    of: Literal["embedding", "classes"]

    def faults(self, _: str, tree: Tree) -> list[Fault]:
        """Return what differs from the experiment, and a head that has nothing to draw."""
        shown = section(tree, "train").get(self.experiment)
        if not isinstance(shown, dict):
            return []
        faults = repeated(("inputs", "labels"), vars(self), shown, f"train.{self.experiment}")
        method = {"embedding": "embedding", "classes": "class_weights"}[self.of]
        head = shown.get("head")
        known = isinstance(head, str) and not PlugIn("heads").faults(head, (), tree)
        if known and method not in methods(f"heads.{head}", "Head"):
            text = f"head {head} of {self.experiment} has no {method} to draw"
            faults.append(Fault(("of",), text))
        return faults


@dataclass(frozen=True)
class Compare:
    """Two systems on the same items."""

    one: System
    other: System

    def faults(self, _: str, __: Tree) -> list[Fault]:
        """Return a fault if both are the same."""
        return [Fault(("other",), "is the same as one")] if self.one == self.other else []


@dataclass(frozen=True)
class Fusion:
    """A fused system against one of each modality."""

    fused: System
    audio: System
    video: System

    def faults(self, _: str, tree: Tree) -> list[Fault]:
        """Return systems that do not see what they stand for."""
        wanted = {"fused": {"audio", "video"}, "audio": {"audio"}, "video": {"video"}}
        faults = []
        for key, modalities in wanted.items():
            block = section(tree, "train").get(getattr(self, key))
            if not isinstance(block, dict) or not isinstance(block.get("inputs"), str):
                continue
            streams = streams_of(block["inputs"], tree)
            if streams is not None and not modalities <= set(streams.values()):
                found = " and ".join(sorted(set(streams.values())))
                text = (
                    f"expected a system of {' and '.join(sorted(modalities))}, got one of {found}"
                )
                faults.append(Fault((key,), text))
        return faults


@dataclass(frozen=True)
class Robustness:
    """A trained system on disturbed clips; its name is that of the experiment.

    Attributes:
        inputs: those of the experiment, once more.
        missing: modalities that are taken away, one at a time.
        shift_s: how much later than pictures sound comes.
    """

    MOVED = {"audio": new_inputs, "video": new_inputs}  # noqa: RUF012

    inputs: Source
    missing: tuple[Modality, ...] = ()
    shift_s: tuple[Annotated[int, "s"], ...] = ()

    def faults(self, name: str, tree: Tree) -> list[Fault]:
        """Return what differs from the experiment, and what its inputs cannot suffer."""
        trained = section(tree, "train")
        if "train" in tree and name not in trained:
            text = f"expected the name of an experiment{nearest(name, trained)}"
            return [Fault((), text)]
        faults = repeated(("inputs",), vars(self), trained.get(name), f"train.{name}")
        disturbed = [*section(tree, "disturb"), *section(tree, "bundle_disturbed")]
        if "disturb" in tree and self.inputs not in disturbed:
            where = "bundle_disturbed" if self.inputs in section(tree, "bundle") else "disturb"
            faults.append(Fault(("inputs",), f"{self.inputs} has no entry in {where}; add one"))
        seconds = section(tree, "decode").get("seconds")
        for i, shift in enumerate(self.shift_s):
            if shift == 0 or (isinstance(seconds, int) and abs(shift) >= seconds):
                text = f"expected a number of seconds, not 0, within clips of {seconds} s"
                faults.append(Fault(("shift_s", i), f"{text}, got {shift}"))
        streams = streams_of(self.inputs, tree)
        if streams is not None and len(has := set(streams.values())) < 2:
            for key in ("missing", "shift_s"):
                if getattr(self, key):
                    text = f"{self.inputs} has {' and '.join(has)} alone; expected []"
                    faults.append(Fault((key,), text))
        return faults
