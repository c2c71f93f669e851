"""Plain YAML 1.2 files, read as DVC reads them, with the line of every key."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, ScalarEvent
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

MAX_BYTES = 2**20
MAX_ANCHORS = 0
MERGE = "<<"

Key = str | int
At = tuple[Key, ...]  # the keys that lead to a value


class ParamsError(ValueError):
    """Parameters that cannot be used; one line for each fault."""


@dataclass(frozen=True)
class File:
    """A parsed file.

    Attributes:
        path: the file.
        tree: its values.
        node: its syntax tree, which knows the lines.
    """

    path: Path
    tree: Any
    node: Node | None

    def line(self, at: At) -> int:
        """Return the line of a key, or of the nearest key above it that is there."""
        node, line = self.node, 1
        for key in at:
            found = _child(node, key)
            if found is None:
                break
            line, node = found
        return line

    def where(self, at: At) -> str:
        """Return the file and the line of a key."""
        return f"{self.path}:{self.line(at)}"


def _child(node: Node | None, key: Key) -> tuple[int, Node] | None:
    if isinstance(node, MappingNode):
        for name, value in node.value:
            if name.value == str(key):
                return name.start_mark.line + 1, value
    if isinstance(node, SequenceNode) and isinstance(key, int) and key < len(node.value):
        value = node.value[key]
        return value.start_mark.line + 1, value
    return None


def read(path: Path) -> File:
    """Return a parsed file; a process parses each text once.

    Raises:
        FileNotFoundError: if there is no such file.
        ParamsError: if it is not plain YAML, or larger than any parameter file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; run this in the folder of dvc.yaml")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ParamsError(f"{path} has {size} bytes, expected at most {MAX_BYTES}; is it YAML?")
    try:
        return _parsed(path, path.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path}: not valid YAML: {error}; save it as UTF-8") from error


@lru_cache(maxsize=16)
def _parsed(path: Path, text: str) -> File:
    try:
        yaml = YAML(typ="safe")  # as dvc.utils.serialize has it
        if len(shared := list(_shared(text))) > MAX_ANCHORS:
            lines = [f"{path}:{line}: {what}" for line, what in shared]
            raise ParamsError("\n".join([*lines, _PLAIN]))
        node = yaml.compose(text)
        tree = None if node is None else yaml.constructor.construct_document(node)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f":{mark.line + 1}"
        cause = " ".join(filter(None, (error.context, error.problem)))
        raise ParamsError(f"{path}{line}: not valid YAML: {' '.join(cause.split())}") from error
    except (YAMLError, ValueError, TypeError, RecursionError) as error:
        if isinstance(error, ParamsError):
            raise
        cause = " ".join(str(error).split())
        raise ParamsError(f"{path}: not valid YAML: {cause}") from error
    return File(path, tree, node)


_PLAIN = (
    "write the values out: `dvc exp run -S` does not change a value that comes from an anchor, "
    "or changes every block that shares it"
)


def _shared(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and description of every anchor and merge."""
    if not re.search(r"[&*]|<<", text):
        return
    for event in YAML(typ="safe").parse(text):
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            yield line, f"alias *{event.anchor}"
        elif getattr(event, "anchor", None):
            yield line, f"anchor &{event.anchor}"
        elif isinstance(event, ScalarEvent) and event.value == MERGE and event.implicit[0]:
            yield line, "merge <<"
