"""metrics/**.json and .csv: scores, small enough for git and for `dvc metrics` and `dvc plots`.

Numbers have four decimals, and three significant digits where they are smaller than 0.001: a file
changes when a score does, and not with the last bits of another CPU.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avsc.artifacts import whole
from avsc.escaping import csv_cell


def write(path: Path, scores: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Write scores as JSON."""
    whole.write(path, (json.dumps(_rounded(scores), indent=1) + "\n").encode())


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of the same columns as csv.

    Raises:
        ValueError: if there are no rows, for then there are no columns either.
    """
    if not rows:
        raise ValueError(f"nothing to write to {path}")
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(csv_cell, rows[0]))
    writer.writerows([csv_cell(row[c]) for c in rows[0]] for row in _rounded(rows))
    whole.write(path, text.getvalue().encode())


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4) if abs(value) >= 1e-3 else float(f"{value:.3g}")
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value
