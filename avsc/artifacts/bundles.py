"""data/embeddings/<bundle>/, data/disturbed/<bundle>/: several entries in one folder, hard-linked.

<entry>/        the files of each entry, as they are
bundle.json     parts: {bundle: [entry, ...]} of the bundle and of each bundle inside it; written
                last, with its digest: see sealed_json.py

A folder without bundle.json is a single entry. Links cost no bytes in the workspace, in DVC's cache
or in a remote.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from avsc.artifacts import sealed_json, shard, whole
from avsc.artifacts.damage import reading

INDEX = "bundle.json"
FICLONE = 0x40049409  # ioctl of Linux: share the blocks of a file
NO_LINKS = (
    errno.EXDEV,
    errno.EPERM,
    errno.EMLINK,
    errno.ENOTSUP,
    errno.ENOSYS,
    errno.EACCES,
)


def write(out: Path, members: Sequence[Path]) -> None:
    """Make `out` of other folders, each an entry or a bundle.

    Raises:
        FileNotFoundError: if a folder is missing.
        ValueError: if one of them is a damaged bundle.
    """
    entries = {name: d for member in members for name, d in inside(member).items()}
    for directory in entries.values():
        shard.paths(directory)
    inner = {name: own for member in members for name, own in _parts(member).items()}
    for name, directory in entries.items():
        (out / name).mkdir(parents=True, exist_ok=True)
        for path in sorted(p for p in directory.iterdir() if p.is_file()):
            share(path, out / name / path.name)
    index = inner | {out.name: list(entries)}
    sealed_json.write(out / INDEX, {"parts": index})


def inside(directory: Path, part: str | None = None) -> dict[str, Path]:
    """Return {entry: folder} of a folder of data/embeddings, in the order of the bundle.

    Args:
        directory: of an entry or a bundle.
        part: a bundle or an entry inside it; None: all.

    Raises:
        ValueError: if there is no such part.
    """
    parts = _parts(directory)
    name = part or directory.name
    if not parts and name == directory.name:
        return {name: directory}
    known = parts | {entry: [entry] for own in parts.values() for entry in own}
    if name not in known:
        there = ", ".join(sorted(known)) or directory.name
        raise ValueError(f"{directory} holds no {name!r}; it holds {there}; run `dvc repro`")
    return {entry: directory / entry for entry in known[name]}


def _parts(directory: Path) -> dict[str, list[str]]:
    """Return {bundle: entries} of a bundle, nothing of an entry."""
    path = directory / INDEX
    if not path.is_file():
        return {}
    content = sealed_json.read(path)
    with reading(path, ValueError, AttributeError, TypeError, KeyError):
        parts = content["parts"]
        listed = [name for own in parts.values() for name in own]
        if directory.name not in parts or any(_is_path(name) for name in listed):
            raise ValueError(f"its parts are {parts}")
    return parts


def _is_path(name: object) -> bool:
    return not isinstance(name, str) or Path(name).name != name


def share(source: Path, target: Path) -> None:
    """Make `target` a hard link of `source`, else a reflink, else a copy."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    with whole.writing(target) as partial:
        try:
            with source.open("rb") as old, partial.open("wb") as new:
                fcntl.ioctl(new.fileno(), FICLONE, old.fileno())
        except OSError:  # the file system shares no blocks
            shutil.copyfile(source, partial)
