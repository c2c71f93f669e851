"""Arrays of clips as others write them, read only: HDF5, npz, npy beside a csv, parquet.

Either each clip has an array of its own:

<name>.hdf5|.h5    a data set a clip, at any depth, called as the clip: (frame, ...) or one vector;
                   or a group called as the clip, with a data set for each frame: "0", "1", ...
<name>.npz         an entry a clip

or one array holds the rows of all clips, and a column of names says whose each row is:

<name>.hdf5|.h5    data sets `clip_id` and one other, at the root
<name>.npz         entries `clip_id` and one other
<name>.npy         with <name>.csv beside it, a line a row; its column of names is clip_id, aid,
                   filename_audio, filename_video or filename
<name>.parquet     columns `clip_id` and `embedding`, a list of numbers

A clip's rows stand together there, in their order. The official baseline publishes HDF5:
`<class index>/audio/<clip>` in audio_features_data/{tr,val,tt}.hdf5, `<class index>/video/<clip>`
in video_features_data/. A clip is a data set (96, 512) in tt, and a group of 96 data sets of 512 in
tr and val. A name is compared with the clips' ids without folder and media endings
("audio/bus-1.wav" is "bus-1"), letter by letter; the class index is not read.

Nothing in these files can run or reach another file, and small ones do not stand for large arrays.
HDF5 and Arrow may still crash or hang on a damaged file: feature_process.py reads them apart.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from jaxtyping import Shaped

from avsc.artifacts import feature_hdf5
from avsc.artifacts.feature_hdf5 import Named
from avsc.artifacts.feature_limits import RefusedError, check_size, naming
from avsc.artifacts.prediction_tables import NAMES, clip_name

PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Found:
    """An array of a clip, numbers in the type of its file, and where it was."""

    clip_id: str
    where: str
    frames: Shaped[np.ndarray, "frame ..."]


def check(path: Path) -> None:
    """Check that there is a file of a known kind.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if it is of another kind.
    """
    if path.suffix not in KINDS:
        raise ValueError(f"{path} is of no known kind; expected {', '.join(KINDS)}")
    if not path.is_file():
        raise FileNotFoundError(f"no features at {path}; put the file there")


def arrays(path: Path, clips: Collection[str]) -> Iterator[Found]:
    """Yield the arrays of `clips` in a file: one each, unless a clip is there twice or not at all.

    Raises:
        FileNotFoundError: if the file is not there.
        ValueError: if it is damaged, of another layout, reaches out of itself, or unpacks to too
            much.
    """
    check(path)
    total = 0
    with naming(path):
        for clip_id, where, array in KINDS[path.suffix](path, clips):
            if array.dtype.kind not in "fiu" or array.ndim == 0:
                raise RefusedError(
                    f"{path}: {where} is {array.dtype} of shape {array.shape}; expected numbers, "
                    "(frame, ...) or a vector"
                )
            total += array.nbytes
            check_size(path, "what it holds", total)
            yield Found(clip_id, f"{path.name}: {where}", array if array.ndim > 1 else array[None])


def _hdf5(path: Path, clips: Collection[str]) -> Iterator[Named]:
    with h5py.File(path, "r") as root:
        if "clip_id" not in list(root):  # `in root` would follow a link
            yield from feature_hdf5.walk(path, root, clips)
            return
        nodes = {name: feature_hdf5.inside(path, root, name) for name in root}
        names, rows = feature_hdf5.data(path, nodes["clip_id"]), nodes[_other(path, nodes)]
        yield from _of_rows(path, clips, _texts(names), rows)


def _npz(path: Path, clips: Collection[str]) -> Iterator[Named]:
    with zipfile.ZipFile(path) as archive:
        entries = {i.filename.removesuffix(".npy"): i for i in archive.infolist()}
        if "clip_id" in entries:
            rows = _entry(path, archive, entries[_other(path, entries)])
            names = _texts(_entry(path, archive, entries["clip_id"]))
            yield from _of_rows(path, clips, names, rows)
            return
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if (clip_id := clip_name(name)) in clips:
                yield clip_id, name, _entry(path, archive, info)


def _entry(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    check_size(path, info.filename, info.file_size)
    if info.compress_type not in PACKED:
        raise RefusedError(
            f"{path}: {info.filename} is packed by method {info.compress_type}, expected deflate "
            "or none; write it by numpy.savez_compressed"
        )
    return np.lib.format.read_array(io.BytesIO(archive.read(info)), allow_pickle=False)


def _npy(path: Path, clips: Collection[str]) -> Iterator[Named]:
    rows, listed = np.load(path, mmap_mode="r", allow_pickle=False), path.with_suffix(".csv")
    if not listed.is_file():
        raise FileNotFoundError(f"{path} has no {listed.name} beside it; write a line for each row")
    yield from _of_rows(path, clips, _listed(listed), rows)


def _listed(path: Path) -> list[str]:
    check_size(path, "its text", path.stat().st_size)
    try:
        reader = csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""))
        column = next((n for n in NAMES if n in (reader.fieldnames or ())), None)
        if column is None:
            raise RefusedError(
                f"{path} has columns {reader.fieldnames}; expected one of {', '.join(NAMES)}"
            )
        return [row[column] or "" for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RefusedError(f"{path} is no UTF-8 csv ({error}); save it as one") from error


def _parquet(path: Path, clips: Collection[str]) -> Iterator[Named]:
    with pq.ParquetFile(path) as file:
        _check_declared(path, file.metadata)
        table = file.read()
    if sorted(table.column_names) != ["clip_id", "embedding"]:
        raise RefusedError(
            f"{path} has columns {table.column_names}; expected clip_id and embedding"
        )
    lists = table["embedding"].combine_chunks()
    if not hasattr(lists, "flatten") or lists.null_count or lists.flatten().null_count:
        raise RefusedError(
            f"{path}: embedding is {lists.type}; expected lists of numbers, no nulls"
        )
    widths = set(pa.compute.list_value_length(lists).to_pylist())
    if len(widths) != 1:
        raise RefusedError(
            f"{path}: rows of embedding have {sorted(widths)[:5]} numbers; expected one"
        )
    values = lists.flatten().to_numpy(zero_copy_only=False).reshape(len(lists), -1)
    yield from _of_rows(path, clips, _texts(table["clip_id"].to_pylist()), values)


def _check_declared(path: Path, about: pq.FileMetaData) -> None:
    """Check what all columns say of their bytes, and that they may be of numbers of four bytes."""
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    columns = [group.column(j) for group in groups for j in range(group.num_columns)]
    for size in (
        sum(c.total_uncompressed_size for c in columns),
        sum(4 * c.num_values for c in columns),
    ):
        check_size(path, "what it holds", size)


def _other(path: Path, names: Collection[str]) -> str:
    """Return the name of the one array beside clip_id."""
    others = [name for name in names if name != "clip_id"]
    if len(others) != 1:
        raise RefusedError(f"{path} holds clip_id and {others}; expected one array beside clip_id")
    return others[0]


def _texts(names: Any) -> list[str]:
    return [n.decode() if isinstance(n, bytes) else str(n) for n in np.atleast_1d(names)]


def _of_rows(
    path: Path, clips: Collection[str], names: Sequence[str], rows: Any
) -> Iterator[Named]:
    """Yield each run of rows of one clip, so that a clip with two runs is there twice."""
    if not hasattr(rows, "shape") or len(rows.shape) < 2 or len(rows) != len(names):
        raise RefusedError(
            f"{path} has {len(names)} names for an array of shape {getattr(rows, 'shape', None)}; "
            "expected (row, ...) and a name for each row"
        )
    ids = [clip_name(name) for name in names]
    starts = [i for i, c in enumerate(ids) if i == 0 or c != ids[i - 1]]
    for start, stop in pairwise([*starts, len(ids)]):
        if ids[start] in clips:
            own = np.asarray(rows[start:stop])
            yield (
                ids[start],
                f"rows {start} to {stop - 1}",
                own[0] if own.ndim > 2 and len(own) == 1 else own,
            )


KINDS: dict[str, Callable[[Path, Collection[str]], Iterator[Named]]] = {
    ".hdf5": _hdf5,
    ".h5": _hdf5,
    ".npz": _npz,
    ".npy": _npy,
    ".parquet": _parquet,
}
