"""HDF5 files of strangers: what is checked before any of it is believed.

Only files of the version whose headers have checksums are opened. A data set lies in the file
itself, plain, whole and under Fletcher-32 checksums; nothing leads elsewhere, and nothing declares
more bytes than the file has. A data set is checked once for each time the file is opened, by
HDF5's own calls, which cost a fifth of those of h5py's objects.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5s, h5z
from jaxtyping import Shaped

from avsc.artifacts.damage import damaged, reading

SUPERBLOCK = b"\x89HDF\r\n\x1a\n\x03"  # signature and version: the one with a checksum
KINDS = "iufbS"  # of numpy: numbers and texts of fixed length
FAULTS = (KeyError, RuntimeError, TypeError, ValueError)  # raised on damaged files, with OSError


class File:
    """An open file.

    Args:
        root: its outermost group.
        path: where it lies.
    """

    def __init__(self, root: h5g.GroupID, path: Path) -> None:
        self._root, self._path, self._bytes = root, path, path.stat().st_size
        self._checked: dict[str, h5d.DatasetID] = {}

    def texts(self) -> dict[str, str]:
        """Return the attributes, which are texts of fixed length.

        Others lie outside the headers, without checksum, and damaged ones can keep HDF5 busy for
        ever: their type is looked at before they are read.
        """
        found = {}
        for i in range(h5a.get_num_attrs(self._root)):
            attribute = h5a.open(self._root, index=i)
            name, dtype = attribute.name.decode(), attribute.dtype
            if dtype.kind != "S" or attribute.shape:
                cause = f"attribute {name!r} is {dtype}, expected a text of fixed length"
                raise damaged(self._path, cause)
            text = np.empty((), dtype)
            attribute.read(text)
            found[name] = text.item().decode()
        return found

    def members(self, group: str) -> list[str]:
        """Return the names in a group of the root, none where there is no such group."""
        inside = self._own(group, h5g) if group.encode() in self._root else ()
        return [name.decode() for name in inside]

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a data set."""
        return self._data_set(name).shape

    def dtype(self, name: str) -> np.dtype:
        """Return the type of a data set."""
        return self._data_set(name).dtype

    def read(
        self, name: str, start: int = 0, stop: int | None = None
    ) -> Shaped[np.ndarray, "row ..."]:
        """Return the rows of a data set from `start` up to `stop`."""
        count, *row = self.shape(name)
        values = np.empty(((count if stop is None else stop) - start, *row), self.dtype(name))
        self.read_into(values, name, start)
        return values

    def read_into(self, values: Shaped[np.ndarray, "row ..."], name: str, start: int = 0) -> None:
        """Read the rows of a data set from `start` on into `values`, of their shape and type."""
        found = self._data_set(name)
        with reading(self._path, *FAULTS):
            rows = found.get_space()
            rows.select_hyperslab((start, *[0] * (values.ndim - 1)), values.shape)
            found.read(h5s.create_simple(values.shape), rows, values)

    def _data_set(self, name: str) -> h5d.DatasetID:
        if name not in self._checked:
            with reading(self._path, *FAULTS):
                found = self._own(name, h5d)
                _check(found, name, self._bytes)
            self._checked[name] = found
        return self._checked[name]

    def _own(self, name: str, kind: Any) -> Any:
        """Open a group (kind h5g) or data set (h5d) on whose way no link leads elsewhere."""
        group, _, last = name.rpartition("/")
        parent = self._own(group, h5g) if group else self._root
        if parent.links.get_info(last.encode()).type != h5l.TYPE_HARD:
            raise ValueError(f"{name} is a link to elsewhere, expected it in the file")
        return kind.open(parent, last.encode())


@contextmanager
def opened(path: Path) -> Iterator[File]:
    """Open a file.

    Raises:
        FileNotFoundError: if there is no such file.
        NotReadError: if the system cannot read it.
        DamagedError: if it is damaged or of another version.
    """
    with ExitStack() as stack:
        with reading(path, *FAULTS):
            with path.open("rb") as plain:
                start = plain.read(len(SUPERBLOCK))
            if start != SUPERBLOCK:
                raise ValueError(f"it starts with {start!r}, expected {SUPERBLOCK!r}")
            # no cache of chunks: the memory of one serves the next; no lock: not every disk has any
            f = stack.enter_context(h5py.File(path, "r", rdcc_nbytes=0, locking=False))
            root = h5g.open(f.id, b"/")
        yield File(root, path)


def _check(found: h5d.DatasetID, name: str, file_bytes: int) -> None:
    """Check that a data set keeps all of its rows in the file, plain and with checksums."""
    plist, shape, dtype = found.get_create_plist(), found.shape, found.dtype
    if plist.get_layout() == h5d.VIRTUAL or plist.get_external_count():
        raise ValueError(f"{name} keeps its rows in other files, expected them in this one")
    if dtype.kind not in KINDS:
        raise ValueError(f"{name} is of {dtype}, expected numbers or texts of fixed length")
    if not shape:
        raise ValueError(f"{name} is a single value, expected rows")
    size = math.prod(shape)
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if filters != ([h5z.FILTER_FLETCHER32] if size else []):
        raise ValueError(f"{name} has filters {filters}, expected a checksum alone")
    chunks = plist.get_chunk() if plist.get_layout() == h5d.CHUNKED else shape
    declared = size * dtype.itemsize
    if max(declared, math.prod(chunks) * dtype.itemsize) > file_bytes:
        raise ValueError(f"{name} declares {declared} bytes in a file of {file_bytes}")
    expected = math.prod(-(-n // c) for n, c in zip(shape, chunks, strict=True) if n)
    if size and found.get_num_chunks() != expected:
        raise ValueError(f"{name} lacks some of its {expected} chunks")
