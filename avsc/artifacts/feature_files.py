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

Nothing in these files can run or reach another file: pickles, object arrays, soft and external
links, external and virtual data sets are refused.
"""

import csv
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from jaxtyping import Shaped

from avsc.artifacts.prediction_tables import NAMES, clip_name


@dataclass(frozen=True)
class Found:
    """An array of a clip: where it is, and how to read it, (frame, ...) in its own type."""

    where: str
    read: Callable[[], Shaped[np.ndarray, "frame ..."]]


Arrays = Iterator[tuple[str, Found]]


@contextmanager
def opened(paths: Iterable[Path], clips: Collection[str]) -> Iterator[dict[str, list[Found]]]:
    """Open files, and find in them the arrays of `clips`.

    Yields:
        {clip_id: its arrays}: one, unless the files hold a clip twice or not at all; readable
        until the context ends.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: if a file is damaged, of another layout, or reaches out of itself.
    """
    found: dict[str, list[Found]] = {c: [] for c in clips}
    with ExitStack() as stack:
        for path in paths:
            if path.suffix not in KINDS:
                raise ValueError(f"{path} is of no known kind; expected {', '.join(KINDS)}")
            if not path.is_file():
                raise FileNotFoundError(f"no features at {path}; put the file there")
            opener, arrays_of = KINDS[path.suffix]
            with _naming(path):
                file = opener(path)
            if hasattr(file, "close"):
                stack.callback(file.close)
            for clip_id, array in arrays_of(path, file, found.keys()):
                found[clip_id].append(array)
        yield found


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what a library finds wrong into an error that names the file."""
    try:
        yield
    except (OSError, EOFError, KeyError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} cannot be read ({error}); fetch it again, or write plain numbers"
        ) from error


def _found(path: Path, where: str, read: Callable[[], np.ndarray]) -> Found:
    """Return an array that is numbers with an axis of frames when it is read, or an error."""

    def numbers() -> Shaped[np.ndarray, "frame ..."]:
        array = read()
        if array.dtype.kind not in "fiu" or array.ndim == 0:
            raise ValueError(
                f"{path}: {where} is {array.dtype} of shape {array.shape}; expected numbers, "
                "(frame, ...) or a vector"
            )
        return array if array.ndim > 1 else array[None]

    return Found(f"{path.name}: {where}", numbers)


def _hdf5(path: Path, root: h5py.File, clips: Collection[str]) -> Arrays:
    if "clip_id" not in root:
        yield from _walk(path, root, clips)
        return
    names, rows = _table(path, {name: _inside(path, root, name) for name in root})
    yield from _of_rows(path, clips, [_text(n) for n in _data(path, names)], rows)


def _walk(path: Path, group: h5py.Group, clips: Collection[str]) -> Arrays:
    """Return the data sets and groups that are called as a clip; other groups are folders."""
    for name in group:
        node = _inside(path, group, name)
        if (clip_id := clip_name(name)) in clips:
            read = _frames if isinstance(node, h5py.Group) else _data
            yield clip_id, _found(path, node.name, partial(read, path, node))
        elif isinstance(node, h5py.Group):
            yield from _walk(path, node, clips)


def _inside(path: Path, group: h5py.Group, name: str) -> Any:
    """Return the group or data set `name`, if all of it is in this file."""
    where = f"{group.name.rstrip('/')}/{name}"
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise ValueError(
            f"{path}: {where} is a {type(link).__name__}; expected data in this file: copy them"
        )
    with _naming(path):
        node = group[name]
    if isinstance(node, h5py.Dataset) and (node.external or node.is_virtual):
        raise ValueError(f"{path}: {where} has its data in another file; copy them into this one")
    return node


def _data(path: Path, dataset: h5py.Dataset) -> np.ndarray:
    with _naming(path):
        return np.asarray(dataset[()])


def _frames(path: Path, group: h5py.Group) -> np.ndarray:
    """Return a clip whose frames are data sets "0", "1", ..."""
    expected = [str(k) for k in range(len(group))]
    if not expected or set(group) != set(expected):
        raise ValueError(
            f"{path}: {group.name} holds {', '.join(list(group)[:3]) or 'nothing'}; expected a "
            "data set for each frame, called 0, 1, ... without a gap"
        )
    frames = [_data(path, _inside(path, group, k)) for k in expected]
    if len(shapes := {f.shape for f in frames}) > 1:
        raise ValueError(
            f"{path}: frames of {group.name} have shapes {sorted(shapes)}; expected one"
        )
    return np.stack(frames)


def _zipped(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        raise ValueError("no zip, which an npz is")
    return np.load(path, allow_pickle=False)


def _npz(path: Path, file: Any, clips: Collection[str]) -> Arrays:
    def plain(name: str) -> np.ndarray:
        with _naming(path):
            return file[name]

    if "clip_id" in file:
        names, rows = _table(path, {name: plain(name) for name in file})
        yield from _of_rows(path, clips, [_text(n) for n in names], rows)
        return
    for name in file:
        if (clip_id := clip_name(name)) in clips:
            yield clip_id, _found(path, name, partial(plain, name))


def _npy(path: Path, rows: Any, clips: Collection[str]) -> Arrays:
    listed = path.with_suffix(".csv")
    if not listed.is_file():
        raise FileNotFoundError(f"{path} has no {listed.name} beside it; write a line for each row")
    with listed.open(newline="", encoding="utf-8-sig") as f:
        reader = csv.DictReader(f)
        column = next((n for n in NAMES if n in (reader.fieldnames or ())), None)
        if column is None:
            raise ValueError(f"{listed} has columns {reader.fieldnames}; expected one of {NAMES}")
        names = [row[column] or "" for row in reader]
    yield from _of_rows(path, clips, names, rows)


def _parquet(path: Path, table: pa.Table, clips: Collection[str]) -> Arrays:
    if sorted(table.column_names) != ["clip_id", "embedding"]:
        raise ValueError(f"{path} has columns {table.column_names}; expected clip_id and embedding")
    lists = table["embedding"].combine_chunks()
    if not hasattr(lists, "flatten") or lists.null_count or lists.flatten().null_count:
        raise ValueError(f"{path}: embedding is {lists.type}; expected lists of numbers, no nulls")
    widths = set(pa.compute.list_value_length(lists).to_pylist())
    if len(widths) != 1:
        raise ValueError(
            f"{path}: rows of embedding have {sorted(widths)[:5]} numbers; expected one"
        )
    values = lists.flatten().to_numpy(zero_copy_only=False).reshape(len(lists), -1)
    yield from _of_rows(path, clips, [_text(n) for n in table["clip_id"].to_pylist()], values)


def _table(path: Path, arrays: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the names and the one other array."""
    others = [name for name in arrays if name != "clip_id"]
    if len(others) != 1:
        raise ValueError(f"{path} holds clip_id and {others}; expected one array beside clip_id")
    return arrays["clip_id"], arrays[others[0]]


def _text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _of_rows(path: Path, clips: Collection[str], names: Sequence[str], rows: Any) -> Arrays:
    """Return each run of rows of one clip, so that a clip with two runs is there twice."""
    if rows.ndim < 2 or len(rows) != len(names):
        raise ValueError(
            f"{path} has {len(names)} names for an array of shape {rows.shape}; expected "
            "(row, ...) and a name for each row"
        )

    def read(start: int, stop: int) -> np.ndarray:
        with _naming(path):
            own = np.asarray(rows[start:stop])
        return own[0] if own.ndim > 2 and len(own) == 1 else own

    ids = [clip_name(name) for name in names]
    starts = [i for i, c in enumerate(ids) if i == 0 or c != ids[i - 1]]
    for start, stop in pairwise([*starts, len(ids)]):
        if ids[start] in clips:
            where = f"rows {start} to {stop - 1}"
            yield ids[start], _found(path, where, partial(read, start, stop))


KINDS: dict[str, tuple[Callable[[Path], Any], Callable[[Path, Any, Collection[str]], Arrays]]] = {
    ".hdf5": (h5py.File, _hdf5),
    ".h5": (h5py.File, _hdf5),
    ".npz": (_zipped, _npz),
    ".npy": (partial(np.load, mmap_mode="r", allow_pickle=False), _npy),
    ".parquet": (pq.read_table, _parquet),
}
