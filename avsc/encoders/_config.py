"""Networks as config.json or params.yaml describe them: what gives none is refused."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn

from avsc.encoders import UnfitError

UNBUILDABLE = (  # what timm, transformers and torch raise on values of which there is no network
    StrictDataclassError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
MOST, MOST_LAYERS = 10**5, 10**3  # of a whole number in a config: so many would be built
ELSEWHERE = ("configuration_files", "transformers_weights")  # keys that lead to other files
MOST_PARAMETERS = 10**10


@contextmanager
def describing(
    source: str, what: str, *, expected: str = "what save_pretrained wrote: fetch the file again"
) -> Iterator[None]:
    """Turn what is raised on wrong values of a config into an error that names its source.

    Raises:
        ValueError: if the values give no network.
    """
    try:
        yield
    except UnfitError:
        raise
    except UNBUILDABLE as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{source} gives no {what} ({cause[:300]}); expected {expected}"
        ) from error


def read(path: Path) -> dict[str, Any]:
    """Return the object of JSON that a file is.

    Raises:
        ValueError: if it is none in UTF-8, a number is out of bounds, or it leads to other files.
    """
    found = json.loads(path.read_text("utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"it is {str(found)[:40]!r}, no object of JSON")
    if others := [key for key in ELSEWHERE if key in found]:
        raise ValueError(f"{' and '.join(others)} would have another file read than is checked")
    check_numbers(found)
    return found


def check_numbers(found: Any, *, key: str = "", least: int = -MOST) -> None:
    """Raise a ValueError if a whole number is out of bounds, or a type of model is no text."""
    if key.endswith("vocab_size"):  # of a text tower, which no encoder here builds
        return
    if key.endswith("model_type") and not isinstance(found, str):
        raise ValueError(f"{key} is {str(found)[:40]}, no text")
    most = MOST_LAYERS if key.endswith("_layers") else MOST
    if isinstance(found, list | tuple) and len(found) > MOST_LAYERS and isinstance(found[0], int):
        raise ValueError(f"{key} has {len(found)} numbers, more than {MOST_LAYERS}")
    if isinstance(found, Mapping | list | tuple):
        for k, value in found.items() if isinstance(found, Mapping) else enumerate(found):
            check_numbers(value, key=f"{key}.{k}".removeprefix("."), least=least)
    elif isinstance(found, int) and not isinstance(found, bool) and not least <= found <= most:
        raise ValueError(f"{key} is {found:g}, not from {least} to {most}")


def check_buildable(build: Callable[[], nn.Module]) -> None:
    """Raise a ValueError if a network would be too large; nothing of it is drawn."""
    with torch.device("meta"):
        count = sum(p.numel() for p in build().parameters())
    if count > MOST_PARAMETERS:
        raise ValueError(f"{count} parameters, more than {MOST_PARAMETERS}")
