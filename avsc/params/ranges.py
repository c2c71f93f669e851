"""Ranges and choices of values, as texts in `Annotated`: "0 <= x < 1", "adam | sgd"."""

import operator
import re
from typing import Any

NUMBER = r"-?\d+(?:\.\d+)?"
RANGE = re.compile(rf"(?:({NUMBER}) (<=?) )?x(?: (<=?|>=?) ({NUMBER}))?")
CHOICE = re.compile(r"\w+(?: \| \w+)+")
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def choices(notes: tuple[Any, ...]) -> list[str]:
    """Return the values that the notes of a type allow, nothing where they name none."""
    return [v for n in notes if isinstance(n, str) and CHOICE.fullmatch(n) for v in n.split(" | ")]


def allowed(note: str, value: Any) -> bool:
    """Return whether a value is in the range, or among the choices, that a text stands for."""
    if CHOICE.fullmatch(note):
        return value in note.split(" | ")
    match = RANGE.fullmatch(note)
    if match is None:
        return True
    low, low_sign, sign, bound = match.groups()
    above = low is None or COMPARE[low_sign](float(low), value)
    return bool(above and (bound is None or COMPARE[sign](value, float(bound))))


def worded(note: str) -> str:
    """Return a range in words."""
    match = RANGE.fullmatch(note)
    assert match is not None
    low, low_sign, sign, bound = match.groups()
    if low is not None and bound is not None:
        return f"from {low}{_open(low_sign)} to {bound}{_open(sign)}"
    if low is not None:
        return f"above {low}" if low_sign == "<" else f"from {low} on"
    return {
        ">": f"above {bound}",
        ">=": f"from {bound} on",
        "<": f"below {bound}",
        "<=": f"up to {bound}",
    }[sign]


def _open(sign: str) -> str:
    return " (excluded)" if sign == "<" else ""
