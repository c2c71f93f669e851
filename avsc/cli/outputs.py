"""Write the files that a user names: regular files atomically, all else in place."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avsc.artifacts import whole


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Yield where to write what is to stand at `path`.

    A device, a pipe or a link stays what it is and is written to.

    Raises:
        NotWrittenError: if the folder or the disk does not allow it.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        try:
            yield path
        except OSError as error:
            raise whole.NotWrittenError(
                f"{path} could not be written ({error.strerror or error}), expected a device, pipe "
                "or link that takes it; name a file, and run again"
            ) from error
    else:
        with whole.writing(path) as partial:
            yield partial
