"""The folder that archives are fetched into: what is there of each, and whether there is room.

<name>             a whole archive, its md5 checked where one is known
<name>.part        one that is on its way, <name>.part.etag the version that the server has
<name>.done.json   what a finished archive was unpacked to: {size, md5, files: {path: size}}
.lock              held while a fetch is at work
"""

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from avsc.datasets.sources import Archive

UNPACKED = 1.25  # bytes unpacked that are reckoned with for a byte of an archive not seen yet


class FetchError(RuntimeError):
    """A data set that could not be fetched as a whole."""


def finished(archives: Path, archive: Archive, target: Path) -> bool:
    """Return whether an archive was unpacked and its files are there, in their lengths."""
    try:
        done = json.loads(_record(archives, archive).read_text("utf-8"))
        known = archive.md5 in (None, done["md5"]) and archive.size in (None, done["size"])
        files = {target / name: size for name, size in done["files"].items()}
        return known and all(file.stat().st_size == size for file, size in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # no record, or none that can be read: the archive itself will tell


def finish(archives: Path, archive: Archive, files: Mapping[str, int]) -> None:
    """Note that an archive, whole in the folder, was unpacked to `files`: {path: bytes}."""
    size = (archives / archive.name).stat().st_size
    record = _record(archives, archive)
    fresh = part(record)
    fresh.write_text(
        json.dumps({"size": size, "md5": archive.md5, "files": dict(files)}, indent=0), "utf-8"
    )
    fresh.replace(record)


def check_space(
    todo: list[Archive], target: Path, archives: Path, *, connections: int, keep: bool
) -> None:
    """Check that the disks have room for what is to come, archives and files.

    Raises:
        FetchError: with what is free, and what is needed.
    """
    missing = [max((a.size or 0) - there(archives, a), 0) for a in todo]
    packed = sum(missing) if keep else sum(sorted(missing)[-connections:])
    unpacked = int(sum(UNPACKED * (a.size or there(archives, a)) for a in todo))
    needs = [(archives, packed, "archives"), (target, unpacked, "their files")]
    if _existing(archives).stat().st_dev == _existing(target).stat().st_dev:
        needs = [(target, packed + unpacked, "archives and their files")]
    for folder, need, what in needs:
        if (free := shutil.disk_usage(_existing(folder)).free) < need:
            raise FetchError(
                f"{folder} has {free / 1e9:.2f} GB free, expected {need / 1e9:.2f} GB for {what} "
                f"(unpacked is taken as {UNPACKED:g} times packed); free some, choose another "
                "disk by --to or --archives, or discard archives by --discard-archives"
            )


def make(folder: Path) -> None:
    """Make a folder of which git sees nothing, unless it is there.

    Raises:
        FetchError: if it cannot be made.
    """
    if folder.is_dir():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n")
    except OSError as error:
        raise FetchError(
            f"{folder} cannot be made ({error.strerror}), expected a folder or nothing there; is "
            "it a file, or a link to a disk that is not mounted? choose another place by --to or "
            "--archives"
        ) from error


@contextmanager
def alone(archives: Path) -> Iterator[None]:
    """Hold the folder for this process.

    Raises:
        FetchError: if another one holds it.
    """
    with (archives / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FetchError(
                f"another fetch is at work in {archives}; wait for it, or end it"
            ) from error
        yield


def _existing(folder: Path) -> Path:
    absolute = folder.absolute()
    return next(p for p in (absolute, *absolute.parents) if p.exists())


def there(archives: Path, archive: Archive) -> int:
    """Return how many bytes of an archive are there, in whole or in part."""
    path = archives / archive.name
    return next((p.stat().st_size for p in (path, part(path)) if p.is_file()), 0)


def part(path: Path) -> Path:
    """Return where an archive grows until it is whole."""
    return path.with_name(f"{path.name}.part")


def _record(archives: Path, archive: Archive) -> Path:
    return archives / f"{archive.name}.done.json"
