"""The cells of a study: a block of params.yaml with changes, by a list of rows or by a grid."""

import copy
from collections.abc import Mapping
from itertools import product
from typing import Any


def cells(study: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return {name: experiment block} of every cell, in order.

    A study has a `base`, an experiment as in the `train` section, and either

        rows: {name: {set: {dotted.key: value}, published: ...}}
        grid: {dotted.key: [values]}, a cell for each combination

    Raises:
        ValueError: if it has neither or both.
    """
    if ("rows" in study) == ("grid" in study):
        raise ValueError(f"a study has either rows or a grid, found {sorted(study)}")
    if "rows" in study:
        changes = {name: row.get("set", {}) for name, row in study["rows"].items()}
    else:
        keys = list(study["grid"])
        combined = [dict(zip(keys, values, strict=True)) for values in product(*study["grid"].values())]
        changes = {name_of(change): change for change in combined}
    return {name: _changed(study["base"], change) for name, change in changes.items()}


def name_of(change: Mapping[str, Any]) -> str:
    """Return a cell's changes as its name, such as "k=5, ceoa=lkm"."""
    return ", ".join(f"{key.split('.')[-1]}={value}" for key, value in change.items())


def _changed(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    block = copy.deepcopy(dict(base))
    for key, value in change.items():
        *parents, last = key.split(".")
        inner = block
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return block
