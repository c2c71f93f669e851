"""Fusion heads: cached arrays of each modality in, scene logits out. A file of this room is a head.

A file defines `Head(dims, num_classes, **hparams)`, a torch module with

    forward(x) -> logits                  x: {modality: (row, ...)}, logits: (row, scene)

and where it needs them

    phases() -> list[Phase]               parts trained one after the other; default: the whole head
    loss(x, targets, criterion) -> loss   its own training loss; default: criterion(logits, targets)
    solve(x, targets) -> None             fit without gradients; then there are no phases
    drawn = {parameter: most}             drawn from -most to most, and to be moved farther
    branch_embeddings(x)                  {modality: (row, ...)} that InfoNCE aligns
    branch_logits(x)                      {modality: (row, scene)}, what each says of the scenes
    branches()                            {modality: module} whose gradients are modulated
    embedding(x) -> (row, ...)            what `map` draws of rows
    class_weights()                       {events | objects: (class, ...)}, what it draws of classes

A batch holds every modality of `dims`. A missing one is all zeros, its mean after standardisation,
both in training (modality dropout) and at test.

Types of arguments may state ranges and choices, `Annotated[str, "linear | average"]`, for
`avsc params check`, which reads them without loading torch; so may module-level constants:

    ALONE = {argument: value}             what arguments must be where there is one modality
    AXES = {modality: number}             axes of its rows, where only such can be taken
    LABELS = ...                          the head learns from pseudo-labels

The contract tests build each head on small vectors of audio and video; a file whose head needs
other rows or smaller layers says so in a module-level `TINY = {"dims": {...}, "hparams": {...}}`.
"""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import Parameter, signature
from typing import Annotated, Any

from jaxtyping import Float
from torch import Tensor, nn

from avsc import spelling

Batch = Mapping[str, Float[Tensor, "row ..."]]
Dims = Mapping[str, tuple[int, ...]]
Count = Annotated[int, "x >= 1"]
Dropout = Annotated[float, "0 <= x < 1"]


@dataclass(frozen=True)
class Phase:
    """A part of a head that is trained while the rest rests.

    Attributes:
        name: how the history calls it.
        modules: what is trained; every other module stays frozen and in evaluation mode.
        forward: batch -> logits of this part.
    """

    name: str
    modules: list[nn.Module]
    forward: Callable[[Batch], Tensor]


def names() -> list[str]:
    """Return the names of all heads; none is imported."""
    files = (m.name for m in pkgutil.iter_modules(__path__))
    return sorted(n for n in files if not n.startswith("_"))


def create(name: str, *, dims: Dims, num_classes: int, **hparams: Any) -> nn.Module:
    """Return the head of file `name`; the other files are never imported.

    Args:
        name: a file of this folder, without ".py".
        dims: shape of one row of each modality.
        num_classes: number of scenes.
        **hparams: what that head alone takes.

    Raises:
        ModuleNotFoundError: if the head needs a package that is not installed.
        TypeError: if the head does not take one of `hparams`.
        ValueError: if there is no such file.
    """
    if name not in names():
        near = spelling.nearest(name, names()) or f"avsc/heads has {', '.join(names())}"
        raise ValueError(f"no head {name!r}; {near}")
    return import_module(f"{__name__}.{name}").Head(dims, num_classes, **hparams)


def defaults(name: str) -> dict[str, Any]:
    """Return the arguments of the head of file `name` that have a default.

    Raises:
        ModuleNotFoundError: if there is no such file.
    """
    taken = signature(import_module(f"{__name__}.{name}").Head).parameters.values()
    return {p.name: p.default for p in taken if p.default is not Parameter.empty}
