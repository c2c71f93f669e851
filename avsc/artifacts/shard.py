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

shards.json, written last, lists all shards of a folder: {"shards": {"<key>.h5": its sha256}}. A
shard is checked before its arrays are read, so that neither damage nor a lost shard goes unseen.
"""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock

import h5py
import numpy as np
from jaxtyping import Int64, Shaped

from avsc.artifacts import damage, hdf5, sealed_json, whole
from avsc.artifacts.damage import HEAL, DamagedError

LIST = "shards.json"
ENCODING = {"encoding_type": "avsc-shard", "encoding_version": "2"}
CHUNK_BYTES = 1 << 20
_CHECKING = Lock()  # threads that want the same shard read it once

Arrays = Mapping[str, Shaped[np.ndarray, "..."]]


def write(
    path: Path,
    clips: Mapping[str, tuple[str, Arrays]],
    *,
    about: Mapping[str, str],
    quarantined: Mapping[str, str],
) -> str:
    """Write one shard, whole or not at all, and return its sha256.

    Args:
        path: where; its stem is the shard's key.
        clips: {clip_id: (key, {name: rows})}; not every clip needs to hold every name.
        about: attributes that say what the arrays are.
        quarantined: {clip_id: cause} of the clips that have no arrays.
    """
    content = image(path.stem, clips, about=about, quarantined=quarantined)
    whole.write(path, content)
    return hashlib.sha256(content).hexdigest()


def image(
    key: str,
    clips: Mapping[str, tuple[str, Arrays]],
    *,
    about: Mapping[str, str],
    quarantined: Mapping[str, str],
) -> bytes:
    """Return what `write` writes to `<key>.h5`."""
    file = io.BytesIO()
    with h5py.File(file, "w", libver=("v110", "v110")) as f:
        said = {"quarantined": json.dumps(dict(quarantined), sort_keys=True)}
        for name, text in (ENCODING | {"key": key} | dict(about) | said).items():
            value = text.encode()
            f.attrs.create(name, value, dtype=h5py.string_dtype("utf-8", max(1, len(value))))
        _dataset(f, "clip_id", np.array([c.encode() for c in clips], dtype="S"))
        _dataset(f, "key", np.array([key.encode() for key, _ in clips.values()], dtype="S64"))
        for name in sorted({name for _, arrays in clips.values() for name in arrays}):
            parts = [arrays.get(name) for _, arrays in clips.values()]
            count = np.array([0 if p is None else len(p) for p in parts], dtype=np.int64)
            _dataset(f, f"array/{name}", np.concatenate([p for p in parts if p is not None]))
            _dataset(f, f"count/{name}", count)
    return file.getvalue()


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

    def __init__(self, file: hdf5.File, path: Path) -> None:
        self._file, self._path = file, path
        self.about = file.texts()
        found = {name: self.about.get(name) for name in ENCODING}
        if found != ENCODING:
            raise DamagedError(f"{path} is {found}, expected {ENCODING}; {HEAL}")
        if self.about["key"] != path.stem:
            raise DamagedError(f"{path} says that it is {self.about['key']}.h5; {HEAL}")
        self.quarantined: dict[str, str] = json.loads(self.about.pop("quarantined"))
        self.clip_id: list[str] = [c.decode() for c in file.read("clip_id").tolist()]
        keys = (k.decode() for k in file.read("key").tolist())
        self.key = dict(zip(self.clip_id, keys, strict=True))
        if len(self.key) < len(self.clip_id):
            raise ValueError("a clip is there twice")
        self.names = file.members("array")

    def count(self, name: str) -> Int64[np.ndarray, " clip"]:
        """Return the number of rows of each clip."""
        count, rows = self._file.read(f"count/{name}"), self._file.shape(f"array/{name}")[0]
        whole = count.shape == (len(self.clip_id),) and count.dtype == np.int64
        if not whole or (count < 0).any() or sum(count.tolist()) != rows:
            what = f"count/{name} does not divide its {rows} rows among the clips"
            raise damage.damaged(self._path, what)
        return count

    def rows(self, name: str) -> Shaped[np.ndarray, "row ..."]:
        """Return the rows of all clips."""
        return self._file.read(f"array/{name}")

    def row(self, name: str) -> tuple[tuple[int, ...], np.dtype]:
        """Return shape and type of a row."""
        return self._file.shape(f"array/{name}")[1:], self._file.dtype(f"array/{name}")

    def clip(self, clip_id: str, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
        """Return the arrays of one clip, all that it has where no `names` are given."""
        i = self.clip_id.index(clip_id)
        arrays = {}
        for name in names or self.names:
            count = self.count(name)
            if count[i]:
                stop = int(count[: i + 1].sum())
                arrays[name] = self._file.read(f"array/{name}", stop - int(count[i]), stop)
        return arrays


@contextmanager
def reading(path: Path) -> Iterator[Shard]:
    """Open a shard.

    Raises:
        FileNotFoundError: if there is no such file.
        NotReadError: if the system cannot read it.
        DamagedError: if it is damaged, now or when its arrays are read, or of another kind or
            version.
    """
    with hdf5.opened(path) as file:
        with damage.reading(path, *hdf5.FAULTS):
            shard = Shard(file, path)
        yield shard


def write_list(directory: Path, sha256: Mapping[str, str]) -> None:
    """Write the list of all shards of a folder: {file name: sha256}."""
    sealed_json.write(directory / LIST, {"shards": dict(sha256)})


def listed(directory: Path) -> dict[Path, str]:
    """Return the shards of a folder, sorted, and the sha256 of each.

    Raises:
        FileNotFoundError: if there is no such folder, or it lacks a shard or the list.
        NotReadError: if the system cannot read the list.
        DamagedError: if the list is damaged, or of another folder.
    """
    if not directory.is_dir():
        raise FileNotFoundError(f"{directory} is not there; run `dvc repro` or `dvc pull` first")
    if not (directory / LIST).is_file():
        raise FileNotFoundError(
            f"{directory} lacks {LIST}: its stage has not ended, or an earlier version wrote it; "
            "run `dvc repro`"
        )
    shards = sealed_json.read(directory / LIST)["shards"]
    if lost := [name for name in shards if not (directory / name).is_file()]:
        raise FileNotFoundError(
            f"{directory} lacks {len(lost)} of {len(shards)} shards, the first {lost[0]}; "
            "run `dvc repro`"
        )
    return {directory / name: shards[name] for name in sorted(shards)}


def paths(directory: Path) -> list[Path]:
    """Return the shards of a folder, as `listed`; for their headers, which have checksums."""
    return list(listed(directory))


def check(path: Path, sha256: str) -> None:
    """Raise a DamagedError unless a file has this sha256; it is read once, unless it changes."""
    with damage.reading(path):
        found = path.stat()
    with _CHECKING:
        _check(path, sha256, (found.st_mtime_ns, found.st_ctime_ns, found.st_ino))


@cache
def _check(path: Path, sha256: str, _state: tuple[int, ...]) -> None:
    (found,) = damage.digests(path, "sha256")
    if found != sha256:
        raise damage.damaged(path, f"its sha256 is {found}, {LIST} says {sha256}")


def read(
    directory: Path, clip_id: Sequence[str], name: str
) -> tuple[Shaped[np.ndarray, "row ..."], Int64[np.ndarray, " clip"]]:
    """Return the rows of array `name` of each clip in `clip_id`, in that order, and their counts.

    One shard at a time is in memory beside what is returned.

    Raises:
        KeyError: if a clip is not there, or its shard has no such array.
        FileNotFoundError, NotReadError, DamagedError: as `listed` and `reading`.
        ValueError: if the rows of a shard are of another shape than those before, or if a clip is
            asked for twice.
    """
    if twice := [c for c, n in Counter(clip_id).items() if n > 1]:
        raise ValueError(
            f"{len(twice)} clips of {directory} asked for twice, the first {twice[0]!r}"
        )
    wanted, parts = set(clip_id), []
    for path, sha256 in listed(directory).items():
        with reading(path) as shard:
            if not wanted.isdisjoint(shard.clip_id):
                check(path, sha256)
                parts.append(_part(shard, path, name))
    counts = {c: n for part in parts for c, n in zip(part.clip_id, part.count, strict=True)}
    count = np.array([counts.get(c, 0) for c in clip_id], dtype=np.int64)
    if missing := [c for c, n in zip(clip_id, count, strict=True) if not n]:
        raise KeyError(
            f"{directory} lacks {len(missing)} of {len(clip_id)} clips, the first {missing[0]!r}; "
            "run `dvc repro`"
        )
    return _gathered(parts, name, dict(zip(clip_id, np.cumsum(count).tolist(), strict=True))), count


@dataclass(frozen=True)
class _Part:
    """What a shard holds of an array: the rows of its clips, and what a row is."""

    path: Path
    clip_id: list[str]
    count: list[int]
    row: tuple[tuple[int, ...], np.dtype]


def _part(shard: Shard, path: Path, name: str) -> _Part:
    if name not in shard.names:
        raise KeyError(f"{path.parent} holds {shard.names}, but no {name!r}")
    return _Part(path, shard.clip_id, shard.count(name).tolist(), shard.row(name))


def _gathered(
    parts: Sequence[_Part], name: str, stop: Mapping[str, int]
) -> Shaped[np.ndarray, "row ..."]:
    """Return the rows of the clips, each ending at its `stop`.

    Each shard is read into the memory that held the one before: fresh memory costs more than
    reading does.
    """
    shape, dtype = parts[0].row
    rows = np.empty((max(stop.values()), *shape), dtype)
    read = np.empty((max(sum(part.count) for part in parts), *shape), dtype)
    for part in parts:
        if part.row != parts[0].row:
            raise ValueError(
                f"{part.path} holds {name} of {part.row[0]} {part.row[1]}, others in its folder "
                f"{shape} {dtype}; {HEAL}"
            )
        with hdf5.opened(part.path) as file:
            file.read_into(read[: sum(part.count)], f"array/{name}")
        end = 0
        for clip, n in zip(part.clip_id, part.count, strict=True):
            end += n
            if clip in stop:
                rows[stop[clip] - n : stop[clip]] = read[end - n : end]
    return rows
