"""Files that appear whole or not at all, whenever a run is killed or a disk is full."""

import os
from pathlib import Path


class NotWrittenError(OSError):
    """A file that could not be written; what was there before, if anything, is as it was."""


def write(path: Path, content: bytes) -> None:
    """Write a file; until all of it is on the disk, nothing is under its name.

    Raises:
        NotWrittenError: if the disk is full, read-only or broken.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise NotWrittenError(
            f"{path} could not be written ({error.strerror or error}), expected room for "
            f"{len(content)} bytes; free some or mend the disk, and run again"
        ) from error
