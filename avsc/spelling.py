"""Suggest the nearest name where a name is not known."""

from collections.abc import Iterable
from difflib import get_close_matches


def expected(name: object, known: Iterable[object]) -> str:
    """Return `expected one of film, gated; did you mean 'film'?`; the latter if one is near."""
    names = [str(one) for one in known]
    near = nearest(name, names)
    return f"expected one of {', '.join(names) or 'none'}" + (f"; {near}" if near else "")


def nearest(name: object, known: Iterable[object]) -> str:
    """Return `did you mean 'film'?`, or nothing where no name is near."""
    found = get_close_matches(str(name), [str(one) for one in known], n=1)
    return f"did you mean {found[0]!r}?" if found else ""
