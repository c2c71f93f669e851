"""Find names that are likely one name in two spellings, such as Lisbon-1 and lisbon-01."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable

from avsc.datasets.offenders import Offenders

DASHES = re.compile("[\\s_\u2010-\u2015\u2212-]+")
LEADING_ZEROS = re.compile(r"(?<![\d.])0+(?=\d)")


def without_case(name: str) -> str:
    """Return a name without outer spaces, case and Unicode form."""
    folded = unicodedata.normalize("NFKC", name).casefold().strip()
    return unicodedata.normalize("NFC", folded)


def without_form(name: str) -> str:
    """Return a name without case, Unicode form, kinds of dashes and leading zeros of numbers."""
    return LEADING_ZEROS.sub("", DASHES.sub("-", without_case(name)).strip("-"))


def check(
    kind: str,
    names: Iterable[tuple[str, str]],
    offenders: Offenders,
    *,
    fold: Callable[[str], str] = without_form,
) -> None:
    """Report names that differ and fold to the same text.

    Args:
        kind: what the names are of; `offenders.REMEDY` has "<kind> in two spellings".
        names: (name, where it stands).
        offenders: where faults go.
        fold: takes from a name what spellings differ in.
    """
    spellings: dict[str, dict[str, str]] = defaultdict(dict)
    for name, where in names:
        spellings[fold(name)].setdefault(name, where)
    for found in spellings.values():
        if len(found) > 1:
            what = ", ".join(f"{name!a} ({where})" for name, where in found.items())
            offenders.add(f"{kind} in two spellings", what)
