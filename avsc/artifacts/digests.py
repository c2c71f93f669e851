""".avsc/digests.json: the sha256 of files, as long as the file system says that they are the same.

{path: [size, mtime_ns, ctime_ns, inode, device, sha256]}, the path with its links resolved. What is
written into a file or moved into its place changes one of the numbers: the ctime is the kernel's
and cannot be set. A file that had changed within RACY_S before it was read is not remembered, for
another change might be of the same time (as in git's index).
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from avsc.artifacts import whole

RACY_S = 5.0  # file systems count time in steps, the coarsest in two seconds

Known = dict[str, tuple[list[int], str]]  # {path: (what the file system says, digest)}


@contextmanager
def remembered(
    path: Path, *, now: Callable[[], float] = time.time
) -> Iterator[Callable[[Path], str]]:
    """Yield what returns the sha256 of a file, and reads it only if it may have changed.

    Threads may share it. In the end, also of a run that fails, `path` holds what was asked for.

    Args:
        path: of what earlier runs left; if it is damaged or absent, files are read.
        now: the time, in seconds.
    """
    known, asked = _read(path), Known()

    def sha256(file: Path) -> str:
        name, began = str(file.resolve()), now()
        with file.open("rb") as f:
            stamp = _stamp(os.fstat(f.fileno()))
            before, digest = known.get(name, ([], ""))
            if before != stamp:
                digest = hashlib.file_digest(f, "sha256").hexdigest()
        _, modified_ns, changed_ns, *_ = stamp
        if max(modified_ns, changed_ns) < (began - RACY_S) * 1e9:
            asked[name] = (stamp, digest)
        return digest

    try:
        yield sha256
    finally:
        text = json.dumps({name: [*stamp, digest] for name, (stamp, digest) in asked.items()})
        whole.write(path, text.encode())


def _stamp(found: os.stat_result) -> list[int]:
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]


def _read(path: Path) -> Known:
    try:
        rows = json.loads(path.read_bytes())
        return {name: (stamp, str(digest)) for name, (*stamp, digest) in rows.items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}
