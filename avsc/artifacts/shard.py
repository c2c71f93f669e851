"""<key>.h5: a shard, the arrays of some dozens of clips; data/media and the embeddings are shards.

/clip_id          (clip,)        UTF-8, unique
/key              (clip,)        hex sha256 of all that a clip's arrays were made from
/array/<name>     (row, ...)     the rows of all clips, one clip after the other
/count/<name>     (clip,) int64  rows of each clip
attributes        encoding_type = "avsc-shard", encoding_version = "2", key = the file's own name,
                  quarantined = JSON {clip_id: why it has no arrays}, and what `about` says; texts
                  of fixed length, which lie in headers that have checksums

Every data set carries Fletcher-32 checksums, so a flipped bit is an error when it is read. Nothing
is compressed, linked or kept in another file, so a shard is as large as what it holds. The same
input gives the same bytes.
"""

import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Int64, Shaped

from avsc.artifacts import whole

ENCODING = {"encoding_type": "avsc-shard", "encoding_version": "2"}
CHUNK_BYTES = 1 << 20
SUPERBLOCK = b"\x89HDF\r\n\x1a\n\x03"  # signature and version: the one with a checksum
KINDS = "iufbS"  # of numpy: numbers and texts of fixed length

Arrays = Mapping[str, Shaped[np.ndarray, "..."]]


def write(
    path: Path,
    clips: Mapping[str, tuple[str, Arrays]],
    *,
    about: Mapping[str, str],
    quarantined: Mapping[str, str],
) -> None:
    """Write one shard, whole or not at all.

    Args:
        path: where; its stem is the shard's key.
        clips: {clip_id: (key, {name: rows})}; not every clip needs to hold every name.
        about: attributes that say what the arrays are.
        quarantined: {clip_id: cause} of the clips that have no arrays.
    """
    image = io.BytesIO()
    with h5py.File(image, "w", libver=("v110", "v110")) as f:
        said = {"quarantined": json.dumps(dict(quarantined), sort_keys=True)}
        for name, text in (ENCODING | {"key": path.stem} | dict(about) | said).items():
            value = text.encode()
            f.attrs.create(name, value, dtype=h5py.string_dtype("utf-8", max(1, len(value))))
        _dataset(f, "clip_id", np.array([c.encode() for c in clips], dtype="S"))
        _dataset(f, "key", np.array([key.encode() for key, _ in clips.values()], dtype="S64"))
        for name in sorted({name for _, arrays in clips.values() for name in arrays}):
            parts = [arrays.get(name) for _, arrays in clips.values()]
            count = np.array([0 if p is None else len(p) for p in parts], dtype=np.int64)
            _dataset(f, f"array/{name}", np.concatenate([p for p in parts if p is not None]))
            _dataset(f, f"count/{name}", count)
    whole.write(path, image.getvalue())


def _dataset(f: h5py.File, name: str, values: np.ndarray) -> None:
    if values.size == 0:
        f.create_dataset(name, data=values if values.dtype.itemsize else values.astype("S1"))
        return
    row_bytes = max(1, values.nbytes // len(values))
    chunks = (min(len(values), max(1, CHUNK_BYTES // row_bytes)), *values.shape[1:])
    f.create_dataset(name, data=values, chunks=chunks, fletcher32=True, track_times=False)


class Shard:
    """An open shard.

    Attributes:
        clip_id: its clips, in the order of their rows.
        key: {clip_id: key}.
        names: the arrays there are.
        about: the file's attributes.
        quarantined: {clip_id: cause}.
    """

    def __init__(self, f: h5py.File, path: Path) -> None:
        self._f, self._path, self._bytes = f, path, path.stat().st_size
        self.about: dict[str, Any] = {name: _text(f, name) for name in f.attrs}
        found = {name: self.about.get(name) for name in ENCODING}
        if found != ENCODING:
            raise _Refused(f"{path} is {found}, expected {ENCODING}; delete it and run `dvc repro`")
        if self.about["key"] != path.stem:
            raise _Refused(f"{path} says that it is {self.about['key']}.h5: restore its name")
        self.quarantined: dict[str, str] = json.loads(self.about.pop("quarantined"))
        self.clip_id: list[str] = [c.decode() for c in self._read("clip_id")]
        keys = (k.decode() for k in self._read("key"))
        self.key = dict(zip(self.clip_id, keys, strict=True))
        if len(self.key) < len(self.clip_id):
            raise ValueError("a clip is there twice")
        self.names: list[str] = list(self._at("array")) if "array" in f else []

    def count(self, name: str) -> Int64[np.ndarray, " clip"]:
        """Return the number of rows of each clip."""
        count, rows = self._read(f"count/{name}"), self._shape(f"array/{name}")[0]
        whole = count.shape == (len(self.clip_id),) and count.dtype == np.int64
        if not whole or (count < 0).any() or sum(count.tolist()) != rows:
            what = f"count/{name} does not divide its {rows} rows among the clips"
            raise ValueError(f"{self._path} is damaged ({what}); delete it and run `dvc repro`")
        return count

    def rows(self, name: str) -> Shaped[np.ndarray, "row ..."]:
        """Return the rows of all clips."""
        return self._read(f"array/{name}")

    def clip(self, clip_id: str, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
        """Return the arrays of one clip, all that it has where no `names` are given."""
        i = self.clip_id.index(clip_id)
        arrays = {}
        for name in names or self.names:
            count = self.count(name)
            if count[i]:
                stop = int(count[: i + 1].sum())
                arrays[name] = self._read(f"array/{name}", slice(stop - int(count[i]), stop))
        return arrays

    def _read(self, name: str, rows: slice = slice(None)) -> np.ndarray:
        with _naming(self._path):
            found = self._at(name)
            _check_whole(found, name, self._bytes)
            return found[rows]

    def _shape(self, name: str) -> tuple[int, ...]:
        with _naming(self._path):
            return self._at(name).shape

    def _at(self, name: str) -> Any:
        """Return a group or data set that lies in this very file."""
        found: Any = self._f
        for part in name.split("/"):
            link = found.get(part, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"{name} is a link to elsewhere, expected it in the file")
            found = found[part]
        return found


def _check_whole(found: Any, name: str, file_bytes: int) -> None:
    """Check that a data set keeps all of its rows in the file, plain and with checksums."""
    if found.is_virtual or found.external:
        raise ValueError(f"{name} keeps its rows in other files, expected them in this one")
    if found.dtype.kind not in KINDS:
        raise ValueError(f"{name} is of {found.dtype}, expected numbers or texts of fixed length")
    plist = found.id.get_create_plist()
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if filters != ([h5py.h5z.FILTER_FLETCHER32] if found.size else []):
        raise ValueError(f"{name} has filters {filters}, expected a checksum alone")
    chunks = found.chunks or found.shape
    if max(found.nbytes, math.prod(chunks) * found.dtype.itemsize) > file_bytes:
        raise ValueError(f"{name} declares {found.nbytes} bytes in a file of {file_bytes}")
    declared = math.prod(-(-n // c) for n, c in zip(found.shape, chunks, strict=True) if n)
    if found.size and found.id.get_num_chunks() != declared:
        raise ValueError(f"{name} lacks some of its {declared} chunks")


def _text(f: h5py.File, name: str) -> str:
    # A text of free length lies outside the headers, without checksum, and damaged ones can keep
    # HDF5 busy for ever: its type is looked at before it is read.
    kind = f.attrs.get_id(name).dtype
    if kind.kind != "S":
        raise _Refused(
            f"{f.filename} has an attribute {name!r} of {kind}, expected a text of fixed length "
            f"(version {ENCODING['encoding_version']}); delete it and run `dvc repro`"
        )
    return f.attrs[name].decode()


class _Refused(ValueError):
    """What is said already names the file."""


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what HDF5 finds wrong into an error that names the file."""
    try:
        yield
    except _Refused:
        raise
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise _Refused(f"{path} is damaged ({error}); delete it and run `dvc repro`") from error


@contextmanager
def reading(path: Path) -> Iterator[Shard]:
    """Open a shard.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, now or when its arrays are read, or if it is of another
            kind or version.
    """
    with path.open("rb") as f:
        start = f.read(len(SUPERBLOCK))
    with ExitStack() as stack:
        with _naming(path):
            if start != SUPERBLOCK:
                raise ValueError(f"it starts with {start!r}, expected {SUPERBLOCK!r}")
            shard = Shard(stack.enter_context(h5py.File(path, "r")), path)
        yield shard


def paths(directory: Path) -> list[Path]:
    """Return the shards of a directory, sorted.

    Raises:
        FileNotFoundError: if there is no directory.
    """
    if not directory.is_dir():
        raise FileNotFoundError(f"{directory} is not there; run `dvc repro` or `dvc pull` first")
    return sorted(directory.glob("*.h5"))


def read(
    directory: Path, clip_id: Sequence[str], name: str
) -> tuple[Shaped[np.ndarray, "row ..."], Int64[np.ndarray, " clip"]]:
    """Return the rows of array `name` of each clip in `clip_id`, in that order, and their counts.

    One shard at a time is in memory beside what is returned.

    Raises:
        KeyError: if a clip is not there, or its shard has no such array.
        ValueError: if a shard is damaged, or its rows are of another shape than those before, or
            if a clip is asked for twice.
    """
    if twice := [c for c, n in Counter(clip_id).items() if n > 1]:
        raise ValueError(
            f"{len(twice)} clips of {directory} asked for twice, the first {twice[0]!r}"
        )
    count, holding = _counts(directory, clip_id, name)
    if missing := [c for c, n in zip(clip_id, count, strict=True) if not n]:
        raise KeyError(
            f"{directory} lacks {len(missing)} of {len(clip_id)} clips, the first {missing[0]!r}; "
            "run `dvc repro`"
        )
    stop = dict(zip(clip_id, np.cumsum(count).tolist(), strict=True))
    rows = np.empty(0)
    for path in holding:
        with reading(path) as shard:
            found, ends = shard.rows(name), np.cumsum(shard.count(name)).tolist()
            if path == holding[0]:
                rows = np.empty((int(count.sum()), *found.shape[1:]), found.dtype)
            if (found.dtype, found.shape[1:]) != (rows.dtype, rows.shape[1:]):
                raise ValueError(
                    f"{path} holds {name} of {found.shape[1:]} {found.dtype}, others in its folder "
                    f"{rows.shape[1:]} {rows.dtype}; delete the folder and run `dvc repro`"
                )
            for clip, first, end in zip(shard.clip_id, [0, *ends], ends, strict=False):
                if clip in stop:
                    rows[stop[clip] - (end - first) : stop[clip]] = found[first:end]
    return rows, count


def _counts(
    directory: Path, clip_id: Sequence[str], name: str
) -> tuple[Int64[np.ndarray, " clip"], list[Path]]:
    """Return how many rows each clip has, 0 where it is not there, and the shards that hold any."""
    found: dict[str, int] = {}
    holding = []
    wanted = set(clip_id)
    for path in paths(directory):
        with reading(path) as shard:
            if wanted.isdisjoint(shard.clip_id):
                continue
            if name not in shard.names:
                raise KeyError(f"{directory} holds {shard.names}, but no {name!r}")
            found.update(zip(shard.clip_id, shard.count(name).tolist(), strict=True))
            holding.append(path)
    return np.array([found.get(c, 0) for c in clip_id], dtype=np.int64), holding
