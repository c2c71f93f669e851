"""Fetch a data set: download its archives, check them, unpack them; continue where it stopped."""

import hashlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from avsc.datasets import archives as zips
from avsc.datasets import store
from avsc.datasets.download import DownloadError, download, forget
from avsc.datasets.sources import Archive, Source
from avsc.datasets.store import FetchError

COPIES = 3  # downloads of an archive that turns out to be corrupt


class _Stopped(Exception):
    pass


@dataclass(frozen=True)
class _Work:
    source: Source
    target: Path
    archives: Path
    keep: bool
    stop: threading.Event
    wait: Callable[[float], None]
    at: Callable[[Archive, int], None]
    say: Callable[[str], None]

    def go_on(self) -> None:
        if self.stop.is_set():
            raise _Stopped


def fetch(
    source: Source,
    target: Path,
    archives: Path,
    *,
    connections: int = 4,
    keep: bool = True,
    say: Callable[[str], None] = tqdm.write,
    wait: Callable[[float], None] | None = None,
) -> None:
    """Bring all archives of `source` to `archives` and their files to `target`.

    Archives that lie there, whole or in part, are used. One that was unpacked, and whose files are
    still there in their lengths, is not looked at again, whether or not it was kept.

    Args:
        source: what to fetch.
        target: folder of the data set, made if absent.
        archives: folder, made if absent.
        connections: archives that are downloaded and unpacked at a time.
        keep: whether archives stay when they are unpacked.
        say: called with a line when something happens.
        wait: called with seconds between two tries; by default it waits.

    Raises:
        FetchError: if a folder cannot be made, the disk has too little room, another fetch is at
            work, or archives could not be had; the others are then there, and a new run tries what
            is absent.
    """
    todo = [a for a in source.archives if not store.finished(archives, a, target)]
    say(f"{len(source.archives) - len(todo)} of {len(source.archives)} archives are there")
    if not todo:
        return
    store.check_space(todo, target, archives, connections=connections, keep=keep)
    for folder in (target, archives):
        store.make(folder)
    stop = threading.Event()

    def pause(seconds: float) -> None:
        stop.wait(seconds)

    total = sum(a.size for a in todo if a.size) if all(a.size for a in todo) else None
    with (
        store.alone(archives),
        tqdm(total=total, desc="fetch", unit="B", unit_scale=True, disable=None) as bar,
    ):
        at = _counter(bar, stop)
        work = _Work(source, target, archives, keep, stop, wait or pause, at, say)
        failed = _all(work, todo, connections)
    if failed:
        raise FetchError(
            f"{len(failed)} of {len(todo)} archives could not be fetched; what came is kept, run "
            "again to continue\n" + "\n".join(f"  {name}: {why}" for name, why in failed.items())
        )


def _all(work: _Work, todo: list[Archive], connections: int) -> dict[str, str]:
    """Return {name: why} of the archives that failed.

    After a full disk or Ctrl-C no thread goes on for hours, and none is waited for: one whose
    server sends nothing finds out after a minute.
    """
    failed: dict[str, str] = {}
    pool = ThreadPoolExecutor(connections)
    running: Mapping[Future[None], Archive] = {pool.submit(_one, work, a): a for a in todo}
    try:
        for future in as_completed(running):
            try:
                future.result()
            except (DownloadError, zips.ArchiveError) as error:
                failed[running[future].name] = str(error)
                work.say(f"{running[future].name}: given up")
            except OSError as error:
                raise FetchError(
                    f"{running[future].name}: {error}; what came is kept: mend the disk or the "
                    "folder, and run again"
                ) from error
    finally:
        work.stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
    return failed


def _one(work: _Work, archive: Archive) -> None:
    path = work.archives / archive.name
    for copy in range(1, COPIES + 1):
        fault = _bring(work, archive, path)
        if not fault:
            try:
                return _unpack(work, archive, path)
            except zips.ArchiveError as error:
                # an md5 that fits says that the archive is as it was published
                if archive.md5 is not None:
                    raise
                fault = str(error)
        path.unlink(missing_ok=True)
        forget(store.part(path))
        work.say(f"{archive.name}: corrupt, deleted (copy {copy} of {COPIES}): {fault}")
    raise DownloadError(f"{archive.url} was corrupt {COPIES} times, at last: {fault}; try --mirror")


def _bring(work: _Work, archive: Archive, path: Path) -> str:
    """Bring the archive to `path`; return what is wrong with it, "" for nothing."""
    if path.is_file():  # whole, but not unpacked yet; or put there by hand
        work.at(archive, path.stat().st_size)
        return _fault(archive, path, work)
    part = store.part(path)
    download(archive, part, wait=work.wait, at=lambda n: work.at(archive, n), say=work.say)
    fault = _fault(archive, part, work)
    if not fault:
        part.replace(path)
        forget(part)
    return fault


def _fault(archive: Archive, path: Path, work: _Work) -> str:
    size = path.stat().st_size
    if archive.size not in (None, size):
        return f"{size} bytes, expected {archive.size}"
    if archive.md5 and (found := md5(path, work.go_on)) != archive.md5:
        return f"md5 {found}, expected {archive.md5}"
    return ""


def md5(path: Path, between: Callable[[], None] = lambda: None) -> str:
    """Return the md5 of a file; `between` is called before each block of it."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(2**24):
            between()
            digest.update(block)
    return digest.hexdigest()


def _unpack(work: _Work, archive: Archive, path: Path) -> None:
    place = work.target / archive.into
    files = zips.unpack(path, place, folder=work.source.folder, between=work.go_on)
    entries = {(Path(archive.into) / name).as_posix(): size for name, size in files.items()}
    store.finish(work.archives, archive, entries)
    if not work.keep:
        path.unlink()
    checked = "md5 is right" if archive.md5 else "no md5 is known: length and CRC-32 are right"
    work.say(f"{archive.name}: {len(files)} files, {checked}")


def _counter(bar: tqdm, stop: threading.Event) -> Callable[[Archive, int], None]:
    reached: dict[str, int] = {}

    def at(archive: Archive, position: int) -> None:
        with bar.get_lock():
            bar.update(position - reached.get(archive.name, 0))
            reached[archive.name] = position
        if stop.is_set():
            raise _Stopped

    return at
