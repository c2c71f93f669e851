"""The cells of a study: a block of params.yaml with changes, by a list of rows or by a grid."""

import copy
from collections.abc import Mapping
from itertools import product
from typing import Any

from avsc import spelling

PUBLISHED = ("protocol", "log_loss", "accuracy")
Change = Mapping[str, Any]  # {dotted.key: value}


def cells(study: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return {name: experiment block} of every cell, in order.

    A study has a `base`, an experiment as in the `train` section, and either

        rows: {name: {set: {dotted.key: value}, published: ...}}
        grid: {axis: ...}, a cell for each combination, where an axis is either
            dotted.key: [values] or any word: {label: {dotted.key: value}};
            published: {cell: ...} beside it

    Raises:
        ValueError: if it has neither or both, or published scores of no cell.
    """
    if ("rows" in study) == ("grid" in study):
        raise ValueError(f"a study has either rows or a grid, found {sorted(study)}")
    if "rows" in study:
        changes = {name: row.get("set", {}) for name, row in study["rows"].items()}
    else:
        axes = [_axis(key, values) for key, values in study["grid"].items()]
        changes = {
            ", ".join(label for label, _ in combined): {
                k: v for _, c in combined for k, v in c.items()
            }
            for combined in product(*axes)
        }
    if unknown := [cell for cell in published(study) if cell not in changes]:
        raise ValueError(
            f"published has {unknown[0]!r}, which is no cell; "
            f"{spelling.expected(unknown[0], changes)}"
        )
    return {name: _changed(study["base"], change) for name, change in changes.items()}


def seeds(study: Mapping[str, Any]) -> list[int]:
    """Return the seeds of every cell.

    Raises:
        ValueError: if there are none, or the same twice.
    """
    found = study.get("seeds")
    if not isinstance(found, list) or not found or len(set(map(repr, found))) < len(found):
        raise ValueError(f"seeds of a study is {found!r}, expected a list of different numbers")
    return found


def published(study: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return {cell: a paper's scores} of the cells that have any.

    Raises:
        ValueError: if these are other than PUBLISHED.
    """
    found = study.get("published", {})
    if "rows" in study:
        found = {n: row["published"] for n, row in study["rows"].items() if "published" in row}
    for cell, scores in found.items():
        if not isinstance(scores, Mapping) or not scores.keys() <= set(PUBLISHED):
            expected = ", ".join(PUBLISHED)
            raise ValueError(f"published of {cell!r} is {scores!r}, expected {expected}")
    return dict(found)


def arrays_of(block: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the names of the arrays that an experiment reads: of sound, pictures and labels."""
    return block["audio"], block["video"], block["labels"]


def _axis(key: str, values: list[Any] | Mapping[str, Change]) -> list[tuple[str, Change]]:
    if isinstance(values, Mapping):
        return [(str(label), change) for label, change in values.items()]
    return [(f"{key.split('.')[-1]}={value}", {key: value}) for value in values]


def _changed(base: Mapping[str, Any], change: Change) -> dict[str, Any]:
    block = copy.deepcopy(dict(base))
    for key, value in change.items():
        *parents, last = key.split(".")
        inner = block
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = copy.deepcopy(value)  # other cells have it, too
    return block
