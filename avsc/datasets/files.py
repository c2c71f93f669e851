"""The media files of a data set: there, inside its root, of one clip each, and their digests."""

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from avsc.datasets import spellings
from avsc.datasets.listing import Line
from avsc.datasets.offenders import Offenders


def check(root: Path, lines: Iterable[Line], offenders: Offenders) -> None:
    """Check that the files of `lines` exist inside the root, and that no two clips share one."""
    inside = root.resolve()
    users: dict[Path, Line] = {}
    names: dict[Path, dict[str, str]] = {}
    for line in lines:
        for path in dict.fromkeys((line.audio, line.video)):
            kind, file = locate(inside, path)
            user = users.setdefault(file, line)
            if kind:
                offenders.add(kind, f"{path} ({line.where}){_alike(file, names)}")
            elif user.audio != line.audio:
                offenders.add("one file in two rows", f"{path} ({user.where}, {line.where})")


def _alike(file: Path, names: dict[Path, dict[str, str]]) -> str:
    """Return that a file of another spelling lies where `file` is absent, "" if there is none.

    Args:
        file: that is absent.
        names: of the files of each folder by spelling; it grows.
    """
    folder = file.parent
    if folder not in names:
        there = folder.iterdir() if folder.is_dir() else ()
        names[folder] = {spellings.without_case(f.name): f.name for f in there}
    found = names[folder].get(spellings.without_case(file.name))
    return f"; there is {found!a}" if found not in (None, file.name) else ""


def locate(root: Path, path: str) -> tuple[str, Path]:
    """Return what is wrong with `path` of a csv ("" for nothing), and the file that it means.

    Args:
        root: of the data set, resolved.
        path: relative to it; it may lead through links, but not out of the root.
    """
    plain = path.isprintable() and "\\" not in path and path[1:2] != ":"
    if not plain or path.startswith("/") or ".." in path.split("/"):
        return "path that leaves the data set's root", root / path
    try:
        file = (root / path).resolve()
        if root not in file.parents:
            return "path that leaves the data set's root", file
        return "" if file.is_file() else "file absent", file
    except (OSError, RuntimeError):  # a name that is too long, a loop of links
        return "file that cannot be read", root / path


def sha256(file: Path) -> str:
    """Return the digest of a file, in hexadecimal."""
    with file.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def digests(
    root: Path, paths: Iterable[str], offenders: Offenders, *, digest: Callable[[Path], str]
) -> dict[str, str]:
    """Return the digest of each file, got by threads; a bar on stderr counts bytes.

    Raises:
        DatasetError: naming the files that cannot be read.
    """
    size = {path: (root / path).stat().st_size for path in sorted(set(paths))}
    found = {}
    with (
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        tqdm(
            total=sum(size.values()), desc="sha256", unit="B", unit_scale=True, disable=None
        ) as bar,
    ):
        for path, work in {p: pool.submit(digest, root / p) for p in size}.items():
            try:
                found[path] = work.result()
            except OSError as error:
                offenders.add("file that cannot be read", f"{path}: {error.strerror}")
            bar.update(size[path])
    offenders.stop()
    return found
