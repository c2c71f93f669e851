"""The one reader of params.yaml."""

from functools import reduce
from pathlib import Path
from typing import Any

import yaml


def load(key: str, path: Path = Path("params.yaml")) -> Any:
    """Return the value at a dotted `key` of params.yaml, such as "embed.logmel".

    Raises:
        KeyError: if a part of `key` is absent, naming the parts that are there.
    """

    def descend(block: Any, part: str) -> Any:
        if not isinstance(block, dict) or part not in block:
            there = sorted(block) if isinstance(block, dict) else repr(block)
            raise KeyError(f"{path} has no {key!r}; in place of {part!r} it has {there}")
        return block[part]

    return reduce(descend, key.split("."), yaml.safe_load(path.read_text()))
