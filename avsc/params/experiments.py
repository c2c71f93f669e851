"""The sections `train` and `ensemble`: keys, types, ranges and defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from avsc.params.checks import (
    Arguments,
    Entry,
    KeysOf,
    Labels,
    Modality,
    PlugIn,
    Tree,
    section,
    slot_faults,
)
from avsc.params.fields import Fault
from avsc.params.heads import alone_faults, axes_faults, head_faults
from avsc.params.inputs import Source, axes_of, has_views, new_inputs, streams_of
from avsc.params.signatures import constant
from avsc.training.options import Options

Fit = Annotated[Mapping[str, Any], KeysOf(Options)]
OF_OTHERS = (  # what other stages call their files in metrics/ and data/predictions
    "compare",
    "decode",
    "embed",
    "finetune",
    "fusion",
    "maps",
    "none",
    "pretrain",
    "pseudo_labels",
    "robustness",
    "studies",
)


@dataclass(frozen=True)
class Experiment:
    """A system that is trained on cached arrays.

    Attributes:
        inputs: an entry of `embed` or `import_features`, or a `bundle` of several.
        labels: pseudo-labels that it learns from, or none.
        head: a file of avsc/heads/.
        views: modalities whose augmented views are drawn in training.
        hparams: arguments of the head.
        fit: how it is trained.
        standardise: whether rows are standardised by the training fold first.
        seed: null: the project's.
    """

    MOVED = {"audio": new_inputs, "video": new_inputs}  # noqa: RUF012

    inputs: Source
    labels: Labels
    head: Annotated[str, PlugIn("heads")]
    views: tuple[Modality, ...] = ()
    hparams: Arguments = field(default_factory=dict)
    fit: Fit = field(default_factory=dict)
    standardise: bool = True
    seed: int | None = None

    def faults(self, name: str, tree: Tree) -> list[Fault]:
        """Return what the head does not take of its arguments, inputs and labels."""
        found = [*name_faults(name), *head_faults(self.head, self.hparams, self.fit)]
        streams = streams_of(self.inputs, tree)
        if streams is None:  # a fault of its own
            return found
        return [*found, *input_faults(self, streams, tree)]


def name_faults(name: str) -> list[Fault]:
    """Return a fault if another stage writes the files that a system of that name would write."""
    if name not in OF_OTHERS:
        return []
    return [Fault((), "is a name that other stages use in metrics/ or data/; take another")]


def input_faults(block: Experiment, streams: Mapping[str, str], tree: Tree) -> list[Fault]:
    """Return what an experiment's head and views do not get from its inputs."""
    faults: list[Fault] = []
    modalities = sorted(streams.values())
    if len(set(modalities)) < len(modalities):
        several = ", ".join(f"{e} ({m})" for e, m in streams.items())
        text = f"expected one entry of audio, one of video, or both, got {several}"
        return [Fault(("inputs",), text)]
    if len(modalities) == 1:
        faults += alone_faults(block.head, block.hparams, modalities[0])
    faults += axes_faults(block.head, {m: axes_of(e, tree) for e, m in streams.items()})
    if constant(f"heads.{block.head}", "LABELS") and block.labels == "none":
        text = f"head {block.head} learns from pseudo-labels; expected pseudo_labels.parquet"
        faults.append(Fault(("labels",), text))
    entry = {modality: name for name, modality in streams.items()}
    for i, modality in enumerate(block.views):
        if modality not in entry:
            text = f"{block.inputs} has no {modality}"
            faults.append(Fault(("views", i), text))
        elif not has_views(entry[modality], tree):
            text = f"{entry[modality]} has no views; give that entry `views:`, or drop {modality}"
            faults.append(Fault(("views", i), text))
    return faults


@dataclass(frozen=True)
class Ensemble:
    """Experiments joined by a head of their probabilities, fitted on the validation fold.

    Attributes:
        members: six experiments; `none` fills what is left, for DVC needs equal dependencies.
        head: a file of avsc/heads/.
        hparams: arguments of the head.
        fit: how it is trained.
    """

    members: tuple[Annotated[str, Entry(("train",), or_none=True)], ...]
    head: Annotated[str, PlugIn("heads")]
    hparams: Arguments = field(default_factory=dict)
    fit: Fit = field(default_factory=dict)

    SLOTS = 6

    def faults(self, name: str, tree: Tree) -> list[Fault]:
        """Return what is wrong with the list, and arguments that the head does not take."""
        found = [*name_faults(name), *head_faults(self.head, self.hparams, self.fit)]
        if name in section(tree, "train"):
            found.append(Fault((), "is the name of an experiment, too; rename one"))
        return [*found, *slot_faults("members", self.members, self.SLOTS)]
