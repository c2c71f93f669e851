"""Recover files of a stage's previous output, which DVC removes before the stage runs.

dvc.lock and DVC's lists of files are read here: DVC's own file system parses dvc.yaml and dvc.lock
of each revision first, which takes seconds.
"""

import hashlib
import json
import logging
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from avsc.artifacts.damage import digests

log = logging.getLogger(__name__)


class Previous:
    """The files of a directory as dvc.lock records it, here and at HEAD.

    Args:
        out: the directory, relative to the root of the DVC repository.
    """

    def __init__(self, out: Path) -> None:
        self._out = out.as_posix()
        self._digest: dict[str, str] = {}  # {file name: its name in DVC's cache}
        self._repo: Any = None
        for digest in _recorded(self._out):
            with _out_of_reach(f"earlier output {out}"):
                for row in json.loads(self._list(digest)):
                    if "/" not in row["relpath"]:
                        self._digest.setdefault(row["relpath"], row["md5"])

    def names(self) -> set[str]:
        """Return the file names of all shards."""
        return {name for name in self._digest if name.endswith(".h5")}

    def fetch(self, name: str, target: Path) -> str | None:
        """Copy file `name` to `target`, and return its sha256.

        An object in DVC's cache that does not have the recorded md5 is removed from there.

        Returns:
            None if neither cache nor remote has the file undamaged.
        """
        if name not in self._digest:
            return None
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # it may be a hard link into the cache: never write over it
        fetched, expected = target.with_name(target.name + ".partial"), self._digest[name]
        for _ in range(2):  # a damaged object in the cache hides a good one in the remote
            fetched.unlink(missing_ok=True)
            with _out_of_reach(f"{self._out}/{name}"):
                store, path = self._found(expected)
                store.fs.get_file(path, str(fetched))
                md5, sha256 = digests(fetched, "md5", "sha256")
                if md5 == expected:
                    fetched.replace(target)
                    return sha256
                self._remove(expected, f"{self._out}/{name}")
        fetched.unlink(missing_ok=True)
        return None

    def _list(self, digest: str) -> bytes:
        """Return DVC's list of the files of a directory, an empty one if it is damaged."""
        for _ in range(2):
            store, path = self._found(digest)
            content: bytes = store.fs.cat_file(path)
            if hashlib.md5(content, usedforsecurity=False).hexdigest() == digest[:-4]:
                return content
            self._remove(digest, f"the list of {self._out}")
        return b"[]"

    def _remove(self, digest: str, what: str) -> None:
        """Remove a damaged object from the cache."""
        log.warning("made again: %s is damaged in DVC's cache or remote", what)
        Path(self._repo.cache.local.oid_to_path(digest)).unlink(missing_ok=True)

    def _found(self, digest: str) -> tuple[Any, str]:
        """Return the cache, else the remote, and the path of a file there."""
        from dvc.repo import Repo

        self._repo = self._repo or Repo(".")
        store = self._repo.cache.local
        if not store.exists(digest) and self._repo.config["core"].get("remote"):
            store = self._repo.cloud.get_remote_odb(command="pull")
        return store, store.oid_to_path(digest)


def _recorded(out: str) -> list[str]:
    """Return what dvc.lock says of a directory, here and at HEAD: names of lists in the cache."""
    texts = dict.fromkeys((_lock_here(), _lock_at_head()))
    found: dict[str, None] = {}
    for text in (text for text in texts if f"path: {out}\n" in text):
        stages = _parsed(text)["stages"].values()
        outs = [o for stage in stages for o in stage.get("outs", []) if o["path"] == out]
        found |= {o["md5"]: None for o in outs if o.get("md5", "").endswith(".dir")}
    return list(found)


def _parsed(text: str) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)  # the C parser is ten times faster
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _lock_here() -> str:
    path = Path("dvc.lock")
    return path.read_text("utf-8") if path.is_file() else ""


def _lock_at_head() -> str:
    try:
        shown = subprocess.run(["git", "show", "HEAD:./dvc.lock"], capture_output=True, check=False)
    except FileNotFoundError:  # git is not installed
        return ""
    return shown.stdout.decode("utf-8")


@contextmanager
def _out_of_reach(what: str) -> Iterator[None]:
    """Pass over what DVC cannot give back, for it can be made again; say so if a fault is why."""
    from dvc.exceptions import DvcException, NotDvcRepoError

    try:
        yield
    except (NotDvcRepoError, FileNotFoundError) as error:
        log.info("no %s: %s", what, error)
    except (DvcException, OSError, ValueError) as error:
        log.warning("%s is out of reach: %s", what, error)
