"""Files that are written whole or not at all, and leave nothing behind when interrupted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NotWrittenError(OSError):
    """A file that could not be written; what was there before is as it was."""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield where to write; `path` is replaced at the end, and left as it was if there is none.

    Raises:
        NotWrittenError: if the folder or the disk does not allow it.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise NotWrittenError(
            f"{path} could not be written ({error.strerror or error}); name a file elsewhere"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
