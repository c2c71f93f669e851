"""What DVC can still give back of a stage's earlier output, which it removes at the start."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


class Previous:
    """The files of a directory as dvc.lock records it, here and at HEAD.

    Args:
        out: the directory, relative to the root of the DVC repository.
    """

    def __init__(self, out: Path) -> None:
        from dvc.api import DVCFileSystem

        self._out = out.as_posix()
        self._source: dict[str, Any] = {}
        for where in ({}, {"rev": "HEAD"}):
            with _out_of_reach(f"earlier output {out} {where or ''}"):
                fs = DVCFileSystem(".", **where)
                for name in fs.ls(self._out, detail=False):
                    self._source.setdefault(Path(name).name, fs)

    def names(self) -> set[str]:
        """Return the file names of all shards."""
        return {name for name in self._source if name.endswith(".h5")}

    def fetch(self, name: str, target: Path) -> bool:
        """Copy or link shard `name` to `target`; False if neither cache nor remote has it."""
        if name not in self._source:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # it may be a hard link into the cache: never write over it
        fetched = target.with_name(target.name + ".partial")
        fetched.unlink(missing_ok=True)
        with _out_of_reach(f"{self._out}/{name}"):
            self._source[name].get_file(f"{self._out}/{name}", str(fetched))
            fetched.replace(target)
        return target.is_file()


@contextmanager
def _out_of_reach(what: str) -> Iterator[None]:
    """Pass over what DVC cannot give back, for it can be made again; say so if a fault is why."""
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.scm import SCMError
    from dvc_data.index.index import DataIndexError

    try:
        yield
    except (NotDvcRepoError, SCMError, FileNotFoundError) as error:
        log.info("no %s: %s", what, error)
    except (DvcException, DataIndexError, OSError) as error:
        absent = isinstance(error.__cause__, FileNotFoundError)  # in no cache, and no remote is set
        log.log(logging.INFO if absent else logging.WARNING, "%s is out of reach: %s", what, error)
