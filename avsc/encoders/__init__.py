"""Encoders: sounds or pictures in, an embedding a row out. A file of this room is an encoder.

Each file defines `VERSION`, raised whenever its numbers or those of its views change, `TINY`, the
arguments of its smallest instance (what the tests build), and `Encoder`. A file whose name starts
with an underscore is shared by several encoders and is none itself.
"""

import pkgutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from inspect import signature
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Shaped

from avsc import spelling

KINDS: dict[str, tuple[Any, str]] = {  # of the arguments that encoders share
    "config": (Mapping | None, "keys and values"),
    "name": (str | None, "a text"),
    "revision": (str | None, 'a text; digits alone are one in quotes: "0123456"'),
    "normalise": (bool | None, "true, false or null"),
    "seed": (int, "a whole number"),
    "batch_size": (int, "a whole number from 1 on"),
    "sample_rate": (int, "a whole number from 1 on, in Hz"),
}
AT_LEAST_ONE = ("batch_size", "sample_rate")


class UnfitError(ValueError):
    """Weights that are not those of the model."""


@runtime_checkable
class Encoder(Protocol):
    """What each file here defines under the name `Encoder`.

    A row is one second (`scope` "segment") or a whole number of seconds ("clip"). Rows never
    influence one another: not their order, not their number, not their content.
    """

    modality: str  # "audio" or "video"
    scope: str  # "segment" or "clip"

    def __call__(self, x: Shaped[np.ndarray, "..."]) -> dict[str, Float32[np.ndarray, "row ..."]]:
        """Return `embedding`, (row, ...), and, from a tagger, `logits`, (row, class).

        Args:
            x: audio is float32 (row, 2, sample) in [-1, 1]; video is uint8
                (row, picture, height, width, 3), RGB, one picture a second.

        Raises:
            ValueError: if the shape, the type or the length is another.
        """
        ...

    def views(
        self, x: Shaped[np.ndarray, "..."], *, count: int, seed: int, **limits: Any
    ) -> Float32[np.ndarray, "row view ..."]:
        """Return `count` embeddings of each row: the plain one, then augmented ones, drawn once.

        View 0 has the bits of `__call__`. What is drawn for another hangs on `seed`, the row's
        content and the view's number: a row has its views alone or in company, in any order, in a
        first or a second extraction, and more of them leave the earlier ones as they are. One draw
        serves all seconds of a row. `limits` say how far a view may stray, and 0 switches a step
        off: `shift_s`, `gain_db`, `time_mask` and `band_mask` of a sound (`_augment.Sound`);
        `scale`, `ratio`, `flip`, `brightness`, `contrast`, `saturation` and `hue` of a picture
        (`_picture_views.Augmentation`).

        Args:
            x: as in `__call__`.
            count: number of views, the plain one included.
            seed: of the draws.
            **limits: those of this modality; another key is a TypeError.

        Raises:
            ValueError: if `x`, the count or a limit is not what it has to be.
        """
        ...


@runtime_checkable
class Network(Encoder, Protocol):
    """An encoder whose embeddings a torch module computes, which can be trained."""

    # nn.Module: what `prepare` returns -> (embedding,), a tagger's (embedding, logits); its state
    # dict is `weights`
    model: Any
    batch_size: int  # pictures, or sounds, in one forward pass

    def prepare(self, x: Shaped[np.ndarray, "..."]) -> Any:
        """Return the tensor that `model` takes, on the CPU, a row a row."""
        ...

    def prepare_view(
        self, x: Shaped[np.ndarray, "..."], *, view: int, seed: int, **limits: Any
    ) -> Any:
        """Return what `model` takes for one augmented view (from 1 on) of each row, on the CPU."""
        ...


@runtime_checkable
class Tagger(Network, Protocol):
    """A network that also scores classes."""

    classes: list[str]  # in the order of the logits


def rows_at_once(shape: Sequence[int], *, batch_size: int) -> int:
    """Return how many rows of a shape are `batch_size` pictures, or sounds, and at least one."""
    return max(1, batch_size // (shape[1] if len(shape) == 5 else 1))


def check_count(count: int) -> None:
    """Raise a ValueError if `count` leaves no view."""
    if count < 1:
        raise ValueError(f"count is {count}; expected 1 (the plain embedding alone) or more")


def names() -> list[str]:
    """Return the names of all encoders; none is imported."""
    files = (m.name for m in pkgutil.iter_modules(__path__))
    return sorted(n for n in files if not n.startswith("_"))


def takes(encoder: str, argument: str) -> bool:
    """Return whether the encoder of file `encoder` takes an argument of that name.

    Raises:
        ValueError: if there is no such file.
    """
    return argument in signature(_file(encoder).Encoder).parameters


def _file(encoder: str) -> Any:
    if encoder not in names():
        near = spelling.nearest(encoder, names()) or f"avsc/encoders has {', '.join(names())}"
        raise ValueError(f"no encoder {encoder!r}; {near}")
    return import_module(f"{__name__}.{encoder}")


def create(encoder: str, /, **params: Any) -> Encoder:
    """Return the encoder of file `encoder`; the other files are never imported.

    Args:
        encoder: a file of this folder, without ".py".
        **params: what that encoder alone takes; a key that it does not know is a TypeError.

    Raises:
        ValueError: if there is no such file, or an argument is of another type.
    """
    file = _file(encoder)
    for key in params.keys() & KINDS.keys():
        kind, expected = KINDS[key]
        right = isinstance(params[key], kind) and (kind is not int or type(params[key]) is int)
        if not right or (key in AT_LEAST_ONE and params[key] < 1):
            raise ValueError(f"{key} of {encoder} is {params[key]!r}, expected {expected}")
    made: Encoder = file.Encoder(**params)
    return made
