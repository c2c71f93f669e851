"""params.yaml and studies.yaml: the one reader, typed, validated before anything runs.

`load` returns a value by its dotted key, `read` a block as a record; both refuse a block that has a
fault. Records stand in modules of their own (`data`, `encoders`, `experiments`, `study` ...), so
that a stage loads only those that it reads. `profile` joins all of them and lists every fault.
Nothing heavy is imported: what heads and encoders take is read from their source.
"""

import copy
from pathlib import Path
from typing import Annotated, Any, TypeVar

from avsc.params import reading
from avsc.params.fields import Seconds
from avsc.params.yaml_file import At, ParamsError

__all__ = ["ParamsError", "load", "names", "read"]

Record = TypeVar("Record")
PLAIN: dict[str, Any] = {
    "data": str,
    "seed": Annotated[int, "x >= 0"],
    "decode.seconds": Seconds,
    "decode.sample_rate": Annotated[int, "x >= 1", "Hz"],
}


def load(key: str, kind: Any = None, *, root: Path = Path()) -> Any:
    """Return the value at a dotted key, such as "embed.logmel", as the file has it.

    Args:
        key: the section, and what is inside.
        kind: the type that it must have.
        root: folder of params.yaml and studies.yaml.

    Raises:
        FileNotFoundError: if the file is not there.
        KeyError: if a part of `key` is absent, naming the parts that are there.
        ParamsError: if the file is not plain YAML, or the value has a fault.
    """
    files, at = reading.open_in(root), _at(key)
    files.parse(kind or PLAIN.get(key, Any), at)
    return copy.deepcopy(files.at(at))


def read(kind: type[Record], key: str, *, root: Path = Path()) -> Record:
    """Return the block at a dotted key as a record; raises as `load`."""
    record: Record = reading.open_in(root).parse(kind, _at(key))
    return record


def names(section: str, *, root: Path = Path()) -> list[str]:
    """Return the names of a section's entries, without validating them; raises as `load`."""
    return list(map(str, reading.open_in(root).at((section,))))


def _at(key: str) -> At:
    return tuple(key.split("."))
