"""Files that appear whole or not at all, however many write them and whenever a run is killed."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of a file system


class NotWrittenError(OSError):
    """A file that could not be written; what was there before, if anything, is as it was."""


def write(path: Path, content: bytes, *, lasting: bool = True) -> None:
    """Write a file and the folders above it.

    Args:
        path: where.
        content: of the file.
        lasting: whether the disk has it before it has its name. If not, and the power fails soon
            after, the file may hold zeros or nothing: only for what says itself that it is whole.

    Raises:
        NotWrittenError: if the disk is full, read-only or broken.
    """
    with writing(path) as partial, partial.open("wb") as f:
        f.write(content)
        f.flush()
        if lasting:
            os.fsync(f.fileno())


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield where to write what takes the place of `path` in the end, all at once.

    That is one name for all writers of `path`, `.<name>.partial`, and they wait for one another:
    what a killed one leaves is written over by the next. .dvcignore and .gitignore pass it over.

    Raises:
        NotWrittenError: if the folder or the disk does not allow it.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with alone(partial):
            try:
                yield partial
                partial.replace(path)
            except BaseException:  # Ctrl-C as well
                partial.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise NotWrittenError(
            f"{path} could not be written ({error.strerror or error}), expected room on a disk "
            "that may be written to; free some, mend it or name a file elsewhere, and run again"
        ) from error


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a file that no other process holds, made where there is none; wait for who holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("ab") as f:
            _lock(f)
            if _is_at(f, path):  # or who held it before has moved it to where it belongs
                yield
                return


def _is_at(f: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(f.fileno()))
    except FileNotFoundError:
        return False


def _lock(f: BinaryIO) -> None:
    try:
        fcntl.flock(f, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
