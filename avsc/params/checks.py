"""Conditions on single values: names of entries and plug-ins, arguments, keys of another record."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from avsc.params.fields import Fault, Parser, nearest
from avsc.params.signatures import Signature, plug_ins, signature
from avsc.params.yaml_file import At

Modality = Literal["audio", "video"]
Labels = Literal["none", "pseudo_labels.parquet"]
Arguments = Mapping[str, Any]
Tree = Mapping[str, Any]
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
SOURCES = ("embed", "import_features", "bundle")  # of data/embeddings


@dataclass(frozen=True)
class DvcName:
    """A name that DVC carries: in a stage, in a key of `params`, and in `-S key=value`."""

    def faults(self, value: str, at: At, _: Mapping[str, Any]) -> list[Fault]:
        """Return a fault unless the name is made of what DVC takes."""
        if NAME.fullmatch(value):
            return []
        return [
            Fault(
                at,
                f"DVC cannot carry the name {value!r}; expected letters, digits, _ and -, the "
                "first a letter or _",
            )
        ]


Name = Annotated[str, DvcName()]


@dataclass(frozen=True)
class Entry:
    """The name of an entry of one of some sections.

    A section that is missing altogether is a fault of its own, not of each name.
    """

    sections: tuple[str, ...]
    or_none: bool = False

    @property
    def text(self) -> str:
        """Return what is expected, in words."""
        either = f"the name of an entry of {' or '.join(self.sections)}"
        return f"{either}, or none" if self.or_none else either

    def faults(self, value: str, at: At, tree: Mapping[str, Any]) -> list[Fault]:
        """Return a fault unless there is such an entry."""
        if (self.or_none and value == "none") or any(s not in tree for s in self.sections):
            return []
        known = [n for s in self.sections for n in tree[s] or {} if isinstance(n, str)]
        if value in known:
            return []
        return [
            Fault(at, f"no entry {value!r} of {' or '.join(self.sections)}{nearest(value, known)}")
        ]


@dataclass(frozen=True)
class PlugIn:
    """The name of a file of a package of plug-ins."""

    package: str  # heads | encoders

    def faults(self, value: str, at: At, _: Mapping[str, Any]) -> list[Fault]:
        """Return a fault unless there is such a file."""
        known = plug_ins(self.package)
        if value in known:
            return []
        kind = self.package.removesuffix("s")
        return [Fault(at, f"no {kind} {value!r} in avsc/{self.package}/{nearest(value, known)}")]


@dataclass(frozen=True)
class Takes:
    """Keys that a function of ours takes as arguments, apart from some that it gets otherwise."""

    module: str
    name: str
    apart: tuple[str, ...] = ()

    def faults(self, value: Mapping[str, Any], at: At, _: Mapping[str, Any]) -> list[Fault]:
        """Return what the function would not take."""
        found = signature(self.module, self.name)
        return argument_faults(found, value, at, apart=self.apart, by=self.name)


@dataclass(frozen=True)
class KeysOf:
    """Keys of a record, kept as they are."""

    record: type

    def faults(self, value: Mapping[str, Any], at: At, tree: Mapping[str, Any]) -> list[Fault]:
        """Return what the record would not take."""
        parser = Parser(tree)
        parser.parse(self.record, dict(value), at)
        return parser.faults


def argument_faults(
    found: Signature, given: Mapping[str, Any], at: At, *, apart: tuple[str, ...], by: str
) -> list[Fault]:
    """Return what is wrong with the arguments that are given to a function.

    Args:
        found: its signature.
        given: {argument: value}.
        at: the keys that lead to them.
        apart: arguments that it gets from elsewhere.
        by: what takes them, for messages.
    """
    kinds = {name: kind for name, kind in found.kinds.items() if name not in apart}
    parser = Parser({})
    for name, value in given.items():
        if name in kinds:
            parser.parse(kinds[name], value, (*at, name))
        elif name in apart or not found.takes_more:
            near = nearest(name, kinds) or "; it takes none"
            parser.faults.append(Fault((*at, name), f"{by} takes no {name}{near}"))
    missing = [n for n in found.kinds if n in found.required and n not in given and n in kinds]
    parser.faults += [Fault((*at, n), f"missing; {by} needs it") for n in missing]
    return parser.faults


def slot_faults(key: str, names: tuple[str, ...], slots: int) -> list[Fault]:
    """Return a fault unless there are so many names, at least one and none twice."""
    real = [n for n in names if n != "none"]
    faults = []
    if len(names) != slots:
        text = f"expected {slots} names (`none` fills what is left), got {len(names)}"
        faults.append(Fault((key,), text))
    if not real:
        faults.append(Fault((key,), "names nothing; name at least one"))
    if twice := sorted({n for n in real if real.count(n) > 1}):
        faults.append(Fault((key,), f"{', '.join(twice)} stands there twice"))
    return faults


def section(tree: Tree, name: str) -> Mapping[str, Any]:
    """Return a section, empty where it is missing or no mapping."""
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def repeated(keys: Collection[str], own: Tree, other: Any, where: str) -> list[Fault]:
    """Return a fault for each key that DVC's templates need twice and that differs.

    Args:
        keys: to compare.
        own: the block.
        other: the block that says the same.
        where: the keys that lead to it.
    """
    if not isinstance(other, dict):
        return []
    return [
        Fault((k,), f"expected {other[k]!r} as in {where}, got {own[k]!r}; DVC needs it twice")
        for k in keys
        if k in other and own[k] != other[k]
    ]


def unique(name: str, tree: Tree) -> list[Fault]:
    """Return a fault if two entries would write the same folder of data/embeddings."""
    taken = [s for s in SOURCES if name in section(tree, s)]
    if len(taken) < 2:
        return []
    text = f"is an entry of {' and of '.join(taken)}; both write data/embeddings/{name}: rename one"
    return [Fault((), text)]
