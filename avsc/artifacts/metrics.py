"""metrics/**.json and .csv: scores, small enough for git and for `dvc metrics` and `dvc plots`.

Numbers are rounded to six decimals, so that a file changes when a score does.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write(path: Path, scores: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Write scores as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(scores), indent=1) + "\n")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of the same columns as csv.

    Raises:
        ValueError: if there are no rows, for then there are no columns either.
    """
    if not rows:
        raise ValueError(f"nothing to write to {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(_rounded(rows))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value
