"""data/pseudo_labels.parquet: what taggers think sounds and shows.

clip_id    string
segment    int32, the second of the clip; null where labels are of the whole clip
events     list<string>, sounding events
objects    list<string>, visible objects
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

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
    events: Sequence[list[str]],
    objects: Sequence[list[str]],
) -> None:
    """Write a row a second, or a row a clip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [list(clip_id), list(segment), list(events), list(objects)]
    pq.write_table(pa.table(columns, schema=SCHEMA), path)


def read(path: Path) -> dict[str, list]:
    """Return the columns.

    Raises:
        ValueError: if the file has other columns.
    """
    table = pq.read_table(path)
    if table.schema.names != SCHEMA.names:
        raise ValueError(f"{path} has columns {table.schema.names}, expected {SCHEMA.names}")
    return table.to_pydict()
