"""Validate config.json of a model before anything is built from it."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

LARGEST = 2**16  # number in hparams, where no axis of the weights is longer: of layers, of trees


def check(path: Path, config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a config that describes no model, or one larger than its weights.

    Args:
        path: of the config, for messages.
        config: its content.
        shapes: of the weights.

    Raises:
        ValueError: if it does.
    """
    largest = max([LARGEST, *(n for shape in shapes.values() for n in shape)])
    if faults := [text for text, right in _expected(config, largest).items() if not right]:
        raise ValueError(f"{path} describes no model: expected {faults[0]}; run `dvc repro`")


def _expected(c: Mapping[str, Any], largest: int) -> dict[str, bool]:
    """Return what a config has to be, and whether it is."""
    shapes, scenes = c.get("shapes"), c.get("scenes")
    inputs = given if isinstance(given := c.get("inputs"), dict) else {}
    named = bool(inputs) and inputs.keys() <= {"audio", "video"}
    return {
        "head to be a name": isinstance(c.get("head"), str),
        "hparams to be keys and values": isinstance(c.get("hparams"), dict),
        f"numbers of hparams to be at most {largest}": all(
            abs(n) <= largest for n in _numbers(c.get("hparams"))
        ),
        "standardise to be true or false": isinstance(c.get("standardise"), bool),
        "scope to be segment or clip": c.get("scope") in ("segment", "clip"),
        "inputs to name encoders of audio and video": named and _texts(inputs.values()),
        "dropped to name modalities of inputs": (
            isinstance(c.get("dropped"), list)
            and _texts(c["dropped"])
            and inputs.keys() >= set(c["dropped"])
        ),
        "shapes to be numbers from 1 on for each of inputs": (
            isinstance(shapes, dict)
            and named
            and inputs.keys() <= shapes.keys() <= {"audio", "video", "events", "objects"}
            and all(_is_shape(shape) for shape in shapes.values())
        ),
        "scenes to be two or more different names": (
            isinstance(scenes, list) and _texts(scenes) and len(set(scenes)) == len(scenes) > 1
        ),
    }


def _numbers(value: object) -> Iterator[int | float]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _numbers(part)
    elif isinstance(value, int | float):
        yield value


def _texts(values: Iterable[object]) -> bool:
    return all(isinstance(v, str) and v for v in values)


def _is_shape(shape: object) -> bool:
    return isinstance(shape, list) and bool(shape) and all(type(n) is int and n > 0 for n in shape)
