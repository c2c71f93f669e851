"""params.yaml and studies.yaml of a folder, together."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsc.params import yaml_file
from avsc.params.fields import Fault, Parser, nearest, shown
from avsc.params.yaml_file import At, File, ParamsError

PARAMS, STUDIES = "params.yaml", "studies.yaml"


@dataclass(frozen=True)
class Files:
    """The files of a folder, by name."""

    by_name: Mapping[str, File]

    @property
    def tree(self) -> dict[str, Any]:
        """Return all sections."""
        return {k: v for file in self.by_name.values() for k, v in file.tree.items()}

    def at(self, at: At) -> Any:
        """Return the value at some keys.

        Raises:
            KeyError: if one of them is absent, naming those that are there.
        """
        file = self.of(at)
        value = file.tree
        for part in at:
            if not isinstance(value, dict) or part not in value:
                there = sorted(map(str, value)) if isinstance(value, dict) else repr(value)[:200]
                near = nearest(part, value) if isinstance(value, dict) else ""
                hint = near if "did you mean" in near else ""
                key = ".".join(map(str, at))
                raise KeyError(
                    f"{file.path} has no {key!r}; in place of {part!r} it has {there}{hint}"
                )
            value = value[part]
        return value

    def of(self, at: At) -> File:
        """Return the file of some keys."""
        name = STUDIES if at[:1] == ("study",) and STUDIES in self.by_name else PARAMS
        return self.by_name[name]

    def parse(self, kind: Any, at: At) -> Any:
        """Return the value at some keys as a type.

        Raises:
            KeyError: if it is absent.
            ParamsError: with all its faults.
        """
        parser = Parser(self.tree)
        parsed = parser.parse(kind, self.at(at), at)
        if parser.faults:
            raise ParamsError("\n".join(self._lines(parser.faults)))
        return parsed

    def faults(self, kind: Any, at: At) -> list[str]:
        """Return what is wrong with the value at some keys, a line a fault."""
        parser = Parser(self.tree)
        parser.parse(kind, self.at(at) if at else self.tree, at)
        return self._lines(parser.faults)

    def _lines(self, faults: list[Fault]) -> list[str]:
        """Return faults by file and line, each once."""
        rows = []
        for fault in dict.fromkeys(faults):
            file = self.of(fault.at)
            row = (file.path.name, file.line(fault.at), f"{written(fault.at)}: {fault.text}")
            rows.append((row, file.path))
        return [f"{path}:{line}: {text}" for (_, line, text), path in sorted(rows)]


def written(at: At) -> str:
    """Return keys as one dotted key; places in a list stand in brackets."""
    parts = [f"[{k}]" if isinstance(k, int) else f".{k}" for k in at]
    return "".join(parts).lstrip(".")


def open_in(root: Path) -> Files:
    """Return the files of a folder; studies.yaml may be missing where nobody reads a study.

    Raises:
        FileNotFoundError: if there is no params.yaml.
        ParamsError: if a file is not plain YAML, or has a section of the other.
    """
    files = {PARAMS: yaml_file.read(root / PARAMS)}
    if (root / STUDIES).is_file():
        files[STUDIES] = yaml_file.read(root / STUDIES)
    for name, file in files.items():
        if not isinstance(file.tree, dict):
            raise ParamsError(f"{file.path}: expected sections, got {shown(file.tree)}")
        if name == STUDIES and (strays := [s for s in file.tree if s != "study"]):
            where = file.where((strays[0],))
            raise ParamsError(f"{where}: expected study: alone; move {strays[0]}: to {PARAMS}")
    if len(files) == 2 and "study" in files[PARAMS].tree:
        where = files[PARAMS].where(("study",))
        raise ParamsError(f"{where}: move study: to {STUDIES}, where the other studies are")
    return Files(files)
