"""data/pseudo_labels.parquet: what taggers think sounds and shows.

clip_id    string
segment    int32, the second of the clip; null where labels are of the whole clip
events     list<string>, sounding events
objects    list<string>, visible objects
metadata   events, objects: JSON list of all classes that the tagger knows

The file carries its digest: see parquet.py.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int

from avsc.artifacts import parquet
from avsc.artifacts.damage import HEAL

KINDS = ("events", "objects")
SCHEMA = pa.schema(
    {
        "clip_id": pa.string(),
        "segment": pa.int32(),
        "events": pa.list_(pa.string()),
        "objects": pa.list_(pa.string()),
    }
)


def write(
    path: Path,
    clip_id: Sequence[str],
    segment: Sequence[int | None],
    labels: Mapping[str, Sequence[list[str]]],
    classes: Mapping[str, Sequence[str]],
) -> None:
    """Write a row a second, or a row a clip; `labels` and `classes` have a key for each kind."""
    schema = SCHEMA.with_metadata({k: json.dumps(list(classes[k])) for k in KINDS})
    columns = [list(clip_id), list(segment), *(list(labels[k]) for k in KINDS)]
    parquet.write(path, pa.table(columns, schema=schema))


def read(
    path: Path, clip_id: Sequence[str], count: Int[np.ndarray, " clip"]
) -> dict[str, Float32[np.ndarray, "row label"]]:
    """Return which events and objects each row has, as 0 and 1, a column for each class.

    Args:
        path: the file.
        clip_id: clips, in the order of their rows.
        count: rows of each clip: its seconds, or one.

    Raises:
        ValueError: if the file is damaged, has other columns, lacks a clip or a second, or has
            seconds of a clip for which there are no rows.
    """
    table = _table(path)
    keys = zip(table["clip_id"].to_pylist(), table["segment"].to_pylist(), strict=True)
    row = {key: i for i, key in enumerate(keys)}
    whole = table["segment"].null_count > 0
    wanted = [
        (c, None if whole else k) for c, n in zip(clip_id, count, strict=True) for k in range(n)
    ]
    if missing := [key for key in wanted if key not in row]:
        raise ValueError(
            f"{path} lacks {len(missing)} of {len(wanted)} rows, the first {missing[0]}; labels of "
            "seconds suit systems of seconds, labels of clips any: see pseudo_label.*.pooling"
        )
    labelled = Counter() if whole else Counter(table["clip_id"].to_pylist())
    if more := [(c, n) for c, n in zip(clip_id, count, strict=True) if labelled[c] > n]:
        clip, rows = more[0]
        raise ValueError(
            f"{path} has labels of {labelled[clip]} seconds of {clip!r}, the experiment's encoders "
            f"{rows} rows ({len(more)} such clips); labels of seconds suit systems of seconds, and "
            "an encoder that lacks some is to be run or imported anew"
        )
    indices = [row[key] for key in wanted]
    names = _classes(path, table)
    return {k: _hot(path, table[k].to_pylist(), names[k])[indices] for k in KINDS}


def classes(path: Path) -> dict[str, list[str]]:
    """Return the names of all events and objects, in the order of the columns of `read`.

    Raises:
        ValueError: if the file is damaged.
    """
    return _classes(path, _table(path))


def _table(path: Path) -> pa.Table:
    table = parquet.read(path)
    if not table.schema.equals(SCHEMA):
        found = dict(zip(table.schema.names, map(str, table.schema.types), strict=True))
        raise ValueError(f"{path} has columns {found}, expected {SCHEMA.names}; {HEAL}")
    return table


def _classes(path: Path, table: pa.Table) -> dict[str, list[str]]:
    metadata = table.schema.metadata or {}
    if missing := [k for k in KINDS if k.encode() not in metadata]:
        raise ValueError(f"{path} names no classes of {missing}; {HEAL}")
    return {k: json.loads(metadata[k.encode()]) for k in KINDS}


def _hot(
    path: Path, names: list[list[str]], classes: list[str]
) -> Float32[np.ndarray, "row label"]:
    column = {name: j for j, name in enumerate(classes)}
    hot = np.zeros((len(names), len(classes)), dtype=np.float32)
    for i, there in enumerate(names):
        if unknown := sorted(set(there) - set(column)):
            raise ValueError(f"{path} has labels {unknown} that are none of its {len(column)}")
        hot[i, [column[name] for name in there]] = 1
    return hot
