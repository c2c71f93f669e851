"""What a feature file of others may hold, and how it is refused."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError

import pyarrow as pa

MAX_BYTES = 2**32  # of an array, or of a table of all clips
MAX_SWELLING = 100  # bytes of arrays, by bytes of their file
UNREADABLE = (  # what h5py, zipfile, NumPy and Arrow raise on damaged files
    OSError,
    EOFError,
    KeyError,
    RuntimeError,
    ValueError,
    TypeError,
    MemoryError,
    SyntaxError,
    TokenError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    pa.ArrowException,
)


class RefusedError(ValueError):
    """A file that is not to be believed; the message names it."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn what a library finds wrong into an error that names the file."""
    try:
        yield
    except (RefusedError, FileNotFoundError):
        raise
    except UNREADABLE as error:
        what = str(error) or type(error).__name__
        raise RefusedError(
            f"{path} cannot be read ({what}); fetch it again, or write plain numbers"
        ) from error


def check_size(path: Path, where: str, declared: int) -> None:
    """Raise RefusedError if `where` declares more bytes than are read of such a file."""
    most = min(MAX_BYTES, MAX_SWELLING * path.stat().st_size)
    if declared > most:
        raise RefusedError(
            f"{path}: {where} unpacks to {declared} bytes, expected at most {most} "
            f"({MAX_SWELLING} times its file, and {MAX_BYTES}); it may be a bomb: write it anew, "
            "in several files if need be"
        )
