"""Damaged files and files that the system cannot read, told apart, each with its remedy."""

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HEAL = "run `avsc data check --cache --heal`, then `dvc repro`"
OF_CONTENT = (errno.EINVAL, errno.EFAULT, errno.EOVERFLOW)  # a damaged file asks for odd addresses
IN_TEXT = re.compile(r"(?:errno =|os error) (\d+)")  # HDF5 and safetensors put the number there


class DamagedError(ValueError):
    """The content of a file is not what was written."""


class NotReadError(OSError):
    """The system cannot read a file, whose content may be good."""


def damaged(path: Path, cause: object) -> DamagedError:
    """Return the error of an output whose content is not what its stage wrote."""
    return DamagedError(f"{path} is damaged ({cause}); {HEAL}")


@contextmanager
def reading(path: Path, *faults: type[Exception]) -> Iterator[None]:
    """Name the file in every error of its reader.

    Args:
        path: an output of a stage.
        faults: what the reader raises on damaged content, beside OSError.

    Raises:
        FileNotFoundError: if there is no such file.
        NotReadError: if the system is the cause: permissions, locks, open files, a broken disk.
        DamagedError: if the content is.
    """
    caught: tuple[type[Exception], ...] = (OSError, *faults)
    try:
        yield
    except (DamagedError, NotReadError, FileNotFoundError):
        raise
    except caught as error:
        refuse_system_error(path, error)
        raise damaged(path, error) from error


def refuse_system_error(path: Path, error: Exception) -> None:
    """Raise NotReadError if `error` comes from the system and not from the content of `path`."""
    found = IN_TEXT.search(str(error))
    number = getattr(error, "errno", None) or (int(found[1]) if found else None)
    if number is not None and number not in OF_CONTENT:
        raise NotReadError(
            f"{path} cannot be read ({os.strerror(number)}); its content may be good, so keep it, "
            "mend the cause and run again"
        ) from error


def probe(path: Path) -> None:
    """Read a byte of a file, for libraries that tell every error of the system as a missing file.

    Raises:
        OSError: if the system cannot read it, with its errno.
    """
    with path.open("rb") as f:
        f.read(1)


def digests(path: Path, *names: str) -> tuple[str, ...]:
    """Return digests of a file, such as its md5 and sha256, which is read once."""
    hashed = [hashlib.new(name, usedforsecurity=False) for name in names]
    with reading(path), path.open("rb", buffering=0) as f:
        while block := f.read(1 << 20):
            for one in hashed:
                one.update(block)
    return tuple(one.hexdigest() for one in hashed)
