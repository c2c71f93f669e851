"""The cells of a study: a block of params.yaml with changes, by a list of rows or by a grid."""

import copy
from collections.abc import Mapping
from itertools import product
from typing import Any

Change = Mapping[str, Any]  # {dotted.key: value}


def cells(study: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return {name: experiment block} of every cell, in order.

    A study has a `base`, an experiment as in the `train` section, and either

        rows: {name: {set: {dotted.key: value}, published: ...}}
        grid: {axis: ...}, a cell for each combination, where an axis is either
            dotted.key: [values] or any word: {label: {dotted.key: value}}

    With `stack: true` beside it the stage `study` trains the seeds of a cell at once, where its
    head can (training/stacked.py); without, one after the other.

    Raises:
        ValueError: if it has neither or both.
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
    return {name: _changed(study["base"], change) for name, change in changes.items()}


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
