"""data/predictions/<experiment>.parquet: scene probabilities.

clip_id    string
segment    int32, the second of the clip, from 0; null where the system classifies whole clips
split      string, val | test
<scene>    float64, a column for each scene, in the order of the targets
metadata   artifact: folder and name of the file, so that a copy under another name is refused

The file carries its digest: see parquet.py. That of a cell of a study carries its key as well:
see finished.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
from jaxtyping import Float64

from avsc.artifacts import parquet
from avsc.artifacts.damage import HEAL, DamagedError

COLUMNS = ("clip_id", "segment", "split")
KEY = b"avsc key"


@dataclass(frozen=True)
class Predictions:
    """Probabilities of some rows, and which second of which clip each row is."""

    clip_id: list[str]
    segment: list[int] | None
    probs: Float64[np.ndarray, "row scene"]
    scenes: tuple[str, ...]


def write(path: Path, splits: dict[str, Predictions], *, key: str | None = None) -> None:
    """Write the predictions of each split, all over the same scenes, and a key beside them.

    Raises:
        ValueError: if a probability is not finite.
    """
    table = pa.concat_tables(_table(split, p) for split, p in splits.items())
    about = {"artifact": _called(path)} | ({KEY: key} if key else {})
    parquet.write(path, table.replace_schema_metadata(about))


def _called(path: Path) -> str:
    """Return a file's folder and name, such as predictions/fused."""
    return f"{path.absolute().parent.name}/{path.stem}"


def key_of(path: Path) -> str | None:
    """Return the key in a file, which is read whole to verify its digest.

    Raises:
        FileNotFoundError: if there is no such file.
        NotReadError: if the system cannot read it.
        DamagedError: if it is damaged.
    """
    about = parquet.read(path).schema.metadata or {}
    return about[KEY].decode() if KEY in about else None


def _table(split: str, p: Predictions) -> pa.Table:
    if bad := np.flatnonzero(~np.isfinite(p.probs).all(axis=1)).tolist():
        raise ValueError(
            f"{len(bad)} probabilities are not finite, first of clip {p.clip_id[bad[0]]!r}"
        )
    rows = len(p.clip_id)
    segment = pa.nulls(rows, pa.int32()) if p.segment is None else pa.array(p.segment, pa.int32())
    scenes = {scene: p.probs[:, i] for i, scene in enumerate(p.scenes)}
    return pa.table({"clip_id": p.clip_id, "segment": segment, "split": [split] * rows, **scenes})


def read(path: Path, split: str) -> Predictions:
    """Return the predictions of one split.

    Raises:
        FileNotFoundError: if there is no such file.
        NotReadError: if the system cannot read it.
        ValueError: if it is damaged, no such table or of another system, or has no such split.
    """
    table = parquet.read(path)
    if tuple(table.column_names[:3]) != COLUMNS:
        raise ValueError(
            f"{path} has columns {table.column_names}, expected {COLUMNS} and scenes; {HEAL}"
        )
    types = list(map(str, table.schema.types))
    if types != (expected := ["string", "int32", "string", *["double"] * (len(types) - 3)]):
        raise ValueError(f"{path} has columns of {types}, expected {expected}; {HEAL}")
    if missing := sum(table[c].null_count for c in table.column_names if c != "segment"):
        raise ValueError(f"{path} has {missing} empty cells, expected none; {HEAL}")
    artifact = (table.schema.metadata or {}).get(b"artifact", b"").decode()
    if artifact != _called(path):
        raise DamagedError(
            f"{path} was written as {artifact or 'an artifact without a name'}, expected "
            f"{_called(path)}; {HEAL}"
        )
    table = table.filter(pa.compute.equal(table["split"], split))
    if not len(table):
        raise ValueError(f"{path} has no predictions of split {split!r}")
    scenes = tuple(table.column_names[3:])
    segment = None if table["segment"].null_count else table["segment"].to_pylist()
    probs = np.stack([table[s].to_numpy() for s in scenes], axis=1)
    return Predictions(table["clip_id"].to_pylist(), segment, probs, scenes)


def check_scenes(scenes: Sequence[str]) -> None:
    """Refuse scene names that the table cannot hold.

    Raises:
        ValueError: if a scene is called like another column.
    """
    if taken := sorted(set(scenes) & set(COLUMNS)):
        raise ValueError(f"scenes {taken} have names of other columns; rename them in the data set")
