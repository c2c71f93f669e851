"""Typed records from plain values; every fault is collected, none stops the others.

A record is a frozen dataclass. The type of a field says what it takes: `int`, `float`, `str`,
`bool`, `X | None`, `Literal`, `tuple[X, ...]`, `Mapping[str, X]`, `Any`, another record, and
`Annotated[X, ...]` with

    "x >= 1", "0 <= x < 1"   a range
    "adam | sgd"             the values that there are
    any other text           the unit, or what the value is
    a Check                  a further condition, such as the name of an entry

Fields without a default are required.
"""

import types
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin, get_type_hints

from avsc import spelling
from avsc.params.ranges import CHOICE, RANGE, allowed, choices, worded
from avsc.params.yaml_file import At

BAD = object()  # stands for a value that has a fault
Pixels = Annotated[int, "x >= 1", "px"]
Seconds = Annotated[int, "x >= 1", "s"] | None
Quality = Annotated[int, "1 <= x <= 95"]
LISTS = (tuple, list, Sequence)
PLAIN = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


@dataclass(frozen=True)
class Fault:
    """What is wrong with the value at some keys."""

    at: At
    text: str


class Check(Protocol):
    """A condition on a value of the right type."""

    def faults(self, value: Any, at: At, tree: Mapping[str, Any]) -> list[Fault]:
        """Return what is wrong with a value; `tree` holds all parameters."""
        ...


@dataclass(frozen=True)
class Rest:
    """Marks the mapping that takes every key without a field of its own."""

    def faults(self, *_: object) -> list[Fault]:
        """Return nothing: what the rest may hold depends on other fields."""
        return []


def nearest(name: object, known: Collection[str]) -> str:
    """Return "; did you mean ...?" with the most similar name, or what there is."""
    initials = "".join(word[:1] for word in str(name).split("_"))  # learning_rate: lr
    if initials in known and len(initials) > 1:
        return f"; did you mean {initials}?"
    if near := spelling.nearest(name, known):
        return f"; {near.replace(chr(39), '')}"
    return f"; expected one of {', '.join(known)}" if known else ""


class Parser:
    """Turns plain values into records and collects faults.

    Args:
        tree: all parameters, for checks that look up names.
    """

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self.tree = tree
        self.faults: list[Fault] = []

    def parse(self, kind: Any, value: Any, at: At) -> Any:
        """Return a value of a type, BAD if it has a fault."""
        before = len(self.faults)
        parsed = self._parse(kind, value, at)
        return BAD if len(self.faults) > before else parsed

    def _parse(self, kind: Any, value: Any, at: At) -> Any:
        origin, inner = get_origin(kind), get_args(kind)
        if origin is Annotated:
            return self._annotated(inner[0], inner[1:], value, at)
        if origin in (Union, types.UnionType):
            return self._union(kind, inner, value, at)
        if not fits(kind, value):
            return self._wrong(kind, value, at)
        if is_dataclass(kind):
            return self._record(kind, value, at)
        if origin in LISTS:
            return tuple(self.parse(inner[0], v, (*at, i)) for i, v in enumerate(value))
        if _is_mapping(origin or kind):
            return self._mapping(inner or (Any, Any), value, at)
        return float(value) if kind is float else value

    def _wrong(self, kind: Any, value: Any, at: At, notes: tuple[Any, ...] = ()) -> Any:
        known = [v for v in get_args(kind) if isinstance(v, str)] or choices(notes)
        near = spelling.nearest(value, known) if isinstance(value, str) else ""
        hint = f"; {near.replace(chr(39), '')}" if near else ""
        text = f"expected {describe(kind, notes)}, got {shown(value)}{hint}"
        self.faults.append(Fault(at, text))
        return BAD

    def _annotated(self, kind: Any, notes: tuple[Any, ...], value: Any, at: At) -> Any:
        if not fits(kind, value):
            return self._wrong(kind, value, at, notes)
        found = self.parse(kind, value, at)
        if found is BAD or found is None:
            return found
        for note in notes:
            if not isinstance(note, str):
                self.faults += note.faults(value, at, self.tree)
            elif not allowed(note, found):
                return self._wrong(kind, value, at, notes)
        return found

    def _union(self, kind: Any, options: tuple[Any, ...], value: Any, at: At) -> Any:
        option = next((o for o in options if fits(o, value)), None)
        return self._wrong(kind, value, at) if option is None else self.parse(option, value, at)

    def _mapping(self, inner: tuple[Any, ...], value: Mapping[Any, Any], at: At) -> dict[Any, Any]:
        found = {}
        for key, item in value.items():
            self.parse(inner[0], key, (*at, key))
            found[key] = self.parse(inner[1], item, (*at, key))
        return found

    def _record(self, kind: Any, value: Mapping[Any, Any], at: At) -> Any:
        known, rest = keys(kind), _rest(kind)
        found: dict[str, Any] = {}
        for name, (field, hint) in known.items():
            if name in value:
                found[name] = self.parse(hint, value[name], (*at, name))
            elif field.default is MISSING and field.default_factory is MISSING:
                self.faults.append(Fault((*at, name), f"missing; expected {describe(hint)}"))
                found[name] = BAD
        others = {k: v for k, v in value.items() if k not in known}
        if rest is not None:
            found[rest] = others
        else:
            self.faults += [Fault((*at, key), self._unknown(kind, key, value)) for key in others]
        if BAD in found.values():
            return BAD
        made = kind(**found)
        if hasattr(made, "faults"):
            self.faults += [
                Fault((*at, *f.at), f.text)
                for f in made.faults(str(at[-1]) if at else "", self.tree)
            ]
        return made

    def _unknown(self, kind: Any, key: Any, value: Mapping[Any, Any]) -> str:
        moved = getattr(kind, "MOVED", {})
        if key in moved:
            return moved[key](value)
        first, dot, rest = str(key).partition(".")
        if dot and first in keys(kind):
            return f"no such key; write it as `{first}: {{{rest}: ...}}`"
        return f"no such key{nearest(key, keys(kind))}"


def fits(kind: Any, value: Any) -> bool:
    """Return whether a plain value has the shape of a type, whatever is inside."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any or kind is type(None):
        return kind is Any or value is None
    if origin is Annotated:
        return fits(inner[0], value)
    if origin in (Union, types.UnionType):
        return any(fits(option, value) for option in inner)
    if origin is Literal:
        return any(type(value) is type(v) and value == v for v in inner)
    if origin in LISTS:
        return isinstance(value, list)
    if is_dataclass(kind) or _is_mapping(origin or kind):
        return isinstance(value, dict)
    return type(value) is kind or (kind is float and type(value) is int)


def _is_mapping(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Mapping)


def shown(value: Any) -> str:
    """Return a value as a message shows it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def describe(kind: Any, notes: tuple[Any, ...] = ()) -> str:
    """Return what a type takes, in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return describe(inner[0], inner[1:])
    texts = [n for n in notes if isinstance(n, str)]
    ranges = [worded(n) for n in texts if RANGE.fullmatch(n)]
    units = [n for n in texts if not RANGE.fullmatch(n) and not CHOICE.fullmatch(n)]
    offered = choices(notes)
    more = [text for n in notes if (text := getattr(n, "text", ""))]
    if origin in (Union, types.UnionType):
        named = [describe(o) for o in inner if o is not type(None)]
        text = " or ".join([*named, *(["null"] if _takes_none(kind) else [])])
    elif origin is Literal or offered:
        listed = [str(v) for v in inner] or offered
        text = f"one of {', '.join(listed)}" if len(listed) > 2 else " or ".join(listed)
    elif origin in LISTS:
        text = f"a list, each {describe(inner[0])}"
    elif hasattr(kind, "__dataclass_fields__"):
        text = f"keys ({', '.join(keys(kind))})"
    elif kind in PLAIN:
        text = PLAIN[kind]
    elif kind is Any:
        text = "a value"
    else:
        text = "keys and values"
    if more:
        return " ".join(more)
    return "".join([text, *(f" {r}" for r in ranges), *(f" ({u})" for u in units)])


def _takes_none(kind: Any) -> bool:
    return type(None) in get_args(kind)


@cache
def _hints(kind: Any) -> dict[str, tuple[Field[Any], Any]]:
    types_of = get_type_hints(kind, include_extras=True)
    return {f.name: (f, types_of[f.name]) for f in fields(kind)}


@cache
def keys(kind: Any) -> dict[str, tuple[Field[Any], Any]]:
    """Return {key: (field, type)} of a record, without the field that takes the rest."""
    return {name: known for name, known in _hints(kind).items() if name != _rest(kind)}


@cache
def _rest(kind: Any) -> str | None:
    for name, (_, hint) in _hints(kind).items():
        if get_origin(hint) is Annotated and any(isinstance(n, Rest) for n in get_args(hint)[1:]):
            return name
    return None
