"""Arrays of clips in HDF5 files of others: a data set or group a clip, or one table of all.

Nothing is followed out of a file: soft and external links, external and virtual data sets are
refused, and so is a group that is there twice, for such groups can contain themselves.
"""

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from avsc.artifacts.feature_limits import RefusedError, check_size
from avsc.artifacts.prediction_tables import clip_name

Named = tuple[str, str, np.ndarray]  # clip, where in the file, what is there


def walk(path: Path, root: h5py.File, clips: Collection[str]) -> Iterator[Named]:
    """Yield the data sets and groups that are called as a clip; other groups are folders."""
    seen: set[int] = set()
    folders = [root]
    while folders:
        group = folders.pop()
        if (address := h5py.h5o.get_info(group.id).addr) in seen:
            raise RefusedError(f"{path}: {group.name} is there twice, expected each group once")
        seen.add(address)
        for name in group:
            node = inside(path, group, name)
            if (clip_id := clip_name(name)) in clips:
                read = _frames if isinstance(node, h5py.Group) else data
                yield clip_id, node.name, read(path, node)
            elif isinstance(node, h5py.Group):
                folders.append(node)


def inside(path: Path, group: h5py.Group, name: str) -> Any:
    """Return the group or data set `name`, if all of it is in this file, and not too much."""
    where = f"{group.name.rstrip('/')}/{name}"
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise RefusedError(
            f"{path}: {where} is a {type(link).__name__}; expected data in this file: copy them"
        )
    node = group[name]
    if isinstance(node, h5py.Dataset):
        if node.external or node.is_virtual:
            raise RefusedError(
                f"{path}: {where} has its data in another file; copy them into this one"
            )
        chunk = math.prod(node.chunks or ()) * node.dtype.itemsize
        check_size(path, where, max(node.nbytes, chunk))
    return node


def data(path: Path, node: Any) -> np.ndarray:
    """Return all of a data set."""
    if not isinstance(node, h5py.Dataset):
        raise RefusedError(f"{path}: {node.name} is a {type(node).__name__}; expected a data set")
    return np.asarray(node[()])


def _frames(path: Path, group: h5py.Group) -> np.ndarray:
    """Return a clip whose frames are data sets "0", "1", ..."""
    expected = [str(k) for k in range(len(group))]
    if not expected or set(group) != set(expected):
        raise RefusedError(
            f"{path}: {group.name} holds {', '.join(list(group)[:3]) or 'nothing'}; expected a "
            "data set for each frame, called 0, 1, ... without a gap"
        )
    frames = []
    for k in expected:
        frames.append(data(path, inside(path, group, k)))
        if frames[-1].shape != frames[0].shape:
            raise RefusedError(
                f"{path}: frames of {group.name} have shapes {frames[0].shape} and "
                f"{frames[-1].shape}; expected one"
            )
        check_size(path, group.name, len(frames) * frames[0].nbytes)
    return np.stack(frames)
