"""<key>.h5: a shard, the arrays of some dozens of clips; data/media and the embeddings are shards.

/clip_id          (clip,)        UTF-8, unique
/key              (clip,)        hex sha256 of all that a clip's arrays were made from
/array/<name>     (row, ...)     the rows of all clips, one clip after the other
/count/<name>     (clip,) int64  rows of each clip
attributes        encoding_type = "avsc-shard", encoding_version = "1", key = the file's own name,
                  quarantined = JSON {clip_id: why it has no arrays}, and what `about` says

Every data set carries Fletcher-32 checksums, so a flipped bit is an error when it is read. The same
input gives the same bytes.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Int64, Shaped

ENCODING = {"encoding_type": "avsc-shard", "encoding_version": "1"}
CHUNK_BYTES = 1 << 20

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
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with h5py.File(partial, "w", libver=("v110", "v110")) as f:
        f.attrs.update(ENCODING | {"key": path.stem} | dict(about))
        f.attrs["quarantined"] = json.dumps(dict(quarantined), sort_keys=True)
        _dataset(f, "clip_id", np.array([c.encode() for c in clips], dtype="S"))
        _dataset(f, "key", np.array([key.encode() for key, _ in clips.values()], dtype="S64"))
        for name in sorted({name for _, arrays in clips.values() for name in arrays}):
            parts = [arrays.get(name) for _, arrays in clips.values()]
            count = np.array([0 if p is None else len(p) for p in parts], dtype=np.int64)
            _dataset(f, f"array/{name}", np.concatenate([p for p in parts if p is not None]))
            _dataset(f, f"count/{name}", count)
    with partial.open("rb+") as written:
        os.fsync(written.fileno())
    partial.replace(path)


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
        self._f, self._path = f, path
        self.about: dict[str, Any] = dict(f.attrs)
        found = {name: self.about.get(name) for name in ENCODING}
        if found != ENCODING:
            raise ValueError(f"{path} is {found}, expected {ENCODING}")
        if self.about["key"] != path.stem:
            raise ValueError(f"{path} says that it is {self.about['key']}.h5: restore its name")
        self.quarantined: dict[str, str] = json.loads(self.about.pop("quarantined"))
        self.clip_id: list[str] = [c.decode() for c in self._read("clip_id")]
        keys = (k.decode() for k in self._read("key"))
        self.key = dict(zip(self.clip_id, keys, strict=True))
        self.names: list[str] = list(f["array"]) if "array" in f else []

    def count(self, name: str) -> Int64[np.ndarray, " clip"]:
        """Return the number of rows of each clip."""
        return self._read(f"count/{name}")

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
            return self._f[name][rows]


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what HDF5 finds wrong into an error that names the file."""
    try:
        yield
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it and run `dvc repro`") from error


@contextmanager
def reading(path: Path) -> Iterator[Shard]:
    """Open a shard.

    Raises:
        ValueError: if the file is damaged, now or when its arrays are read, or if it is of another
            kind or version.
    """
    with ExitStack() as stack:
        with _naming(path):
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


def read(directory: Path, clip_id: Sequence[str], name: str) -> list[np.ndarray]:
    """Return the rows of array `name` of each clip in `clip_id`, in that order.

    Raises:
        KeyError: if a clip is not there, or its shard has no such array.
        ValueError: if a shard is damaged.
    """
    wanted = set(clip_id)
    found: dict[str, np.ndarray] = {}
    for path in paths(directory):
        with reading(path) as shard:
            if wanted.isdisjoint(shard.clip_id):
                continue
            if name not in shard.names:
                raise KeyError(f"{directory} holds {shard.names}, but no {name!r}")
            parts = np.split(shard.rows(name), np.cumsum(shard.count(name))[:-1])
            own = zip(shard.clip_id, parts, strict=True)
            found.update((c, p) for c, p in own if c in wanted and len(p))
    if missing := [c for c in clip_id if c not in found]:
        raise KeyError(
            f"{directory} lacks {len(missing)} of {len(clip_id)} clips, the first {missing[0]!r}; "
            "run `dvc repro`"
        )
    return [found[c] for c in clip_id]
