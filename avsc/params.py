"""The one reader of params.yaml."""

from functools import reduce
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

from avsc import spelling

MAX_BYTES = 2**20
MAX_VALUES = 100_000  # with every alias written out


def load(key: str, path: Path = Path("params.yaml")) -> Any:
    """Return the value at a dotted `key` of params.yaml, such as "embed.logmel".

    Raises:
        FileNotFoundError: if there is no such file.
        KeyError: if a part of `key` is absent, naming the parts that are there.
        ValueError: if the file is no plain YAML, or larger than any params.yaml.
    """

    def descend(block: Any, part: str) -> Any:
        if not isinstance(block, dict) or part not in block:
            there = sorted(map(str, block)) if isinstance(block, dict) else repr(block)[:200]
            near = spelling.nearest(part, there) if isinstance(there, list) else ""
            raise KeyError(
                f"{path} has no {key!r}; in place of {part!r} it has {there}"
                + (near and f"; {near}")
            )
        return block[part]

    return reduce(descend, key.split("."), _tree(path))


def _tree(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; run this where dvc.yaml lies")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path} has {size} bytes, expected at most {MAX_BYTES}; is it YAML?")
    try:
        loader = yaml.SafeLoader(path.read_text("utf-8"))
        try:
            node = loader.get_single_node()
            if (values := _values(node, {})) > MAX_VALUES:
                raise ValueError(f"{values} values with aliases written out, at most {MAX_VALUES}")
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        cause = " ".join(str(error).split())
        raise ValueError(f"{path} is no YAML of params ({cause}); correct it") from error


def _values(node: Node | None, known: dict[int, int]) -> int:
    """Return how many values a node stands for; an alias stands for all that it repeats."""
    if id(node) not in known:
        known[id(node)] = MAX_VALUES  # to whoever repeats itself
        children: list[Any] = []
        if isinstance(node, MappingNode):
            children = [n for pair in node.value for n in pair]
        if isinstance(node, SequenceNode):
            children = node.value
        known[id(node)] = 1 + sum(_values(child, known) for child in children)
    return known[id(node)]
