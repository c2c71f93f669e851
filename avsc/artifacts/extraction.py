"""Fill a directory of shards, computing only what no earlier run has computed.

DVC removes a stage's output before the stage runs, so what an earlier run computed is looked for
elsewhere, in this order:

  1. the stage's previous output, as dvc.lock records it here and at HEAD (DVC's cache, then
     remote): whole shards by name, and single clips out of shards that are no longer wanted;
  2. .avsc/<out>/shards: shards finished by a run that never reached dvc.lock;
  3. .avsc/<out>/journal: blocks of the shard that was being made when a run was killed.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from avsc.artifacts import shard
from avsc.artifacts.shard import Arrays

WORK = Path(".avsc")
SHARD_CLIPS = 64
BLOCK_CLIPS = 8

log = logging.getLogger(__name__)


class Quarantined(Exception):
    """A clip has no arrays, and the message says why."""


@dataclass(frozen=True)
class Tally:
    """What became of the clips of one extraction."""

    kept: int  # in shards that were there already
    taken_over: int  # copied out of a shard that is no longer wanted
    resumed: int  # in blocks or shards that a killed run left
    encoded: int
    quarantined: dict[str, str]  # {clip_id: cause}

    def __str__(self) -> str:
        return (
            f"{self.encoded} encoded, {self.kept} kept, {self.taken_over} taken over, "
            f"{self.resumed} resumed, {len(self.quarantined)} quarantined"
        )


def key_of(*parts: object) -> str:
    """Return the sha256 of JSON-able values."""
    payload = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(payload.encode()).hexdigest()


def chunk(keys: Mapping[str, str], *, size: int = SHARD_CLIPS) -> list[dict[str, str]]:
    """Cut clips, in order, into shards of `size` clips in the mean and 2 * `size` at most.

    A shard ends after each clip whose id's hash says so, so that a clip added or removed changes
    its own shard and no other (content-defined chunking, as backup programs do).
    """
    shards: list[dict[str, str]] = [{}]
    for clip_id, key in keys.items():
        shards[-1][clip_id] = key
        ends = int(hashlib.sha256(clip_id.encode()).hexdigest(), 16) % size == 0
        if ends or len(shards[-1]) == 2 * size:
            shards.append({})
    return [s for s in shards if s]


class Previous:
    """The shards of a stage's earlier outputs that DVC can still give back."""

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


def extract(
    out: Path,
    keys: Mapping[str, str],
    encode: Callable[[str], Arrays],
    *,
    about: Mapping[str, str],
    threads: int = 1,
) -> Tally:
    """Make `out` hold the arrays of exactly the clips in `keys`.

    Args:
        out: a directory, relative to the root of the DVC repository.
        keys: {clip_id: sha256 of all that the clip's arrays are made from}.
        encode: gives the arrays of a clip, or raises Quarantined.
        about: attributes of the shards.
        threads: how many clips are encoded at once.

    Returns:
        How many clips were encoded, and how many came from where.
    """
    work = WORK / out
    plan = {f"{key_of(*c.items())[:20]}.h5": c for c in chunk(keys)}
    previous = Previous(out)
    out.mkdir(parents=True, exist_ok=True)
    for stale in set(out.glob("*.h5")) - {out / name for name in plan}:
        stale.unlink()

    missing = {
        n: c for n, c in plan.items() if not (previous.fetch(n, out / n) and _opens(out / n))
    }
    kept = sum(len(c) for n, c in plan.items() if n not in missing)
    finished = {n for n in missing if _opens(work / "shards" / n)}
    todo = {n: c for n, c in missing.items() if n not in finished}
    donors = _donors(previous, plan, todo, work) if todo else {}

    counts = {"encoded": 0, "taken_over": 0, "resumed": sum(len(missing[n]) for n in finished)}
    bar = tqdm(total=sum(map(len, todo.values())), desc=str(out), unit="clip", disable=not todo)
    with ThreadPoolExecutor(threads) as pool, bar:
        for name, clips in todo.items():
            _make(work, name, clips, encode, about, donors, pool, counts, bar.update)
    for name in missing:
        _link(work / "shards" / name, out / name)
    for left in (work / "shards").glob("*.h5"):
        if left.name not in missing:
            left.unlink()
    shutil.rmtree(work / "dropped", ignore_errors=True)

    quarantined: dict[str, str] = {}
    for name in plan:
        with shard.reading(out / name) as s:
            quarantined |= s.quarantined
    return Tally(kept=kept, quarantined=quarantined, **counts)


def _donors(
    previous: Previous, plan: Mapping[str, object], todo: Mapping[str, dict[str, str]], work: Path
) -> dict[str, tuple[Path, str]]:
    """Return {key: (shard, clip_id)} of wanted arrays that lie in shards no longer wanted."""
    wanted = {key for clips in todo.values() for key in clips.values()}
    dropped = [work / "dropped" / name for name in sorted(previous.names() - set(plan))]
    old = [p for p in dropped if previous.fetch(p.name, p)]
    old += [p for p in sorted((work / "shards").glob("*.h5")) if p.name not in plan]
    donors = {}
    for path in filter(_opens, old):
        with shard.reading(path) as s:
            donors.update({key: (path, c) for c, key in s.key.items() if key in wanted})
    return donors


def _make(
    work: Path,
    name: str,
    clips: dict[str, str],
    encode: Callable[[str], Arrays],
    about: Mapping[str, str],
    donors: Mapping[str, tuple[Path, str]],
    pool: ThreadPoolExecutor,
    counts: dict[str, int],
    advance: Callable[[int], object],
) -> None:
    """Make one shard in the work directory, block by block."""
    journal = work / "journal" / Path(name).stem
    ids = list(clips)
    blocks = []
    for start in range(0, len(ids), BLOCK_CLIPS):
        block, path = ids[start : start + BLOCK_CLIPS], journal / f"{start:06d}.h5"
        blocks.append(path)
        if _opens(path):
            counts["resumed"] += len(block)
        else:
            results = list(
                pool.map(partial(_clip, clips=clips, encode=encode, donors=donors), block)
            )
            counts["taken_over"] += sum(1 for c in block if clips[c] in donors)
            counts["encoded"] += sum(1 for c in block if clips[c] not in donors)
            _write(path, block, clips, results, about)
        advance(len(block))
    merged: dict[str, tuple[str, Arrays]] = {}
    quarantined: dict[str, str] = {}
    for path in blocks:
        with shard.reading(path) as s:
            merged |= {c: (s.key[c], s.clip(c)) for c in s.clip_id}
            quarantined |= s.quarantined
    shard.write(work / "shards" / name, merged, about=about, quarantined=quarantined)
    shutil.rmtree(journal)


def _clip(
    clip_id: str,
    *,
    clips: Mapping[str, str],
    encode: Callable[[str], Arrays],
    donors: Mapping[str, tuple[Path, str]],
) -> Arrays | str:
    """Return the arrays of a clip, or why it has none."""
    if donor := donors.get(clips[clip_id]):
        with shard.reading(donor[0]) as s:
            return s.clip(donor[1])
    try:
        return encode(clip_id)
    except Quarantined as reason:
        return str(reason)


def _write(
    path: Path,
    block: list[str],
    clips: Mapping[str, str],
    results: list[Arrays | str],
    about: Mapping[str, str],
) -> None:
    arrays = {
        c: (clips[c], r) for c, r in zip(block, results, strict=True) if not isinstance(r, str)
    }
    causes = {c: r for c, r in zip(block, results, strict=True) if isinstance(r, str)}
    shard.write(path, arrays, about=about, quarantined=causes)


def _opens(path: Path) -> bool:
    """Return whether a shard is there and whole; one that is not can be made again."""
    if not path.is_file():
        return False
    try:
        with shard.reading(path):
            return True
    except ValueError as error:
        log.warning("made again: %s", error)
        return False


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        partial_copy = target.with_name(target.name + ".partial")
        shutil.copyfile(source, partial_copy)
        partial_copy.replace(target)
