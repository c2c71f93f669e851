"""Make shards block by block, so that a run that dies loses one block.

.avsc/<out>/journal/<shard>/<block>.h5   blocks of shards that are being made
.avsc/<out>/shards/<shard>.h5            shards that are finished
.avsc/<out>/shards/<shard>.sha256        digest of each, written after it
.avsc/<out>/under_way/<host>-<process>   clips that were taken up, and an empty line for each done

A block is a shard with the sha256 of its bytes behind them. Nobody waits until the disk has it:
what a process wrote outlives it, and a block that a power failure spoils is made again. HDF5's own
checksums let zeros pass.
"""

import hashlib
import logging
import os
import shutil
import socket
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from avsc.artifacts import shard, whole
from avsc.artifacts.damage import digests
from avsc.artifacts.shard import Arrays

BLOCK_CLIPS = 8
SEAL_BYTES = hashlib.sha256().digest_size

log = logging.getLogger(__name__)


class Quarantined(Exception):
    """A clip has no arrays, and the message says why."""


Encode = Callable[[Iterator[str]], Iterator[Arrays | Quarantined]]  # one for one, in order


@dataclass(frozen=True)
class Job:
    """A shard to make.

    Attributes:
        name: of its file.
        clips: {clip_id: key}.
        donors: {key: (shard, clip_id)} of arrays that lie in a shard no longer wanted.
    """

    name: str
    clips: Mapping[str, str]
    donors: Mapping[str, tuple[Path, str]]

    def __str__(self) -> str:
        first = ", ".join(map(repr, list(self.clips)[:3]))
        return f"shard {self.name} ({len(self.clips)} clips, the first {first})"


@dataclass(frozen=True)
class Made:
    """How many clips of a block came from where."""

    encoded: int = 0
    taken_over: int = 0
    resumed: int = 0


@dataclass(frozen=True)
class _Block:
    path: Path
    clip_id: list[str]
    done: bool


class Worker:
    """Makes shards with an encoder that it opens once.

    Args:
        work: directory of the blocks and of the shards, the same for all workers.
        opened: gives the encoder: a stream of clip ids in, a stream of their arrays out.
        about: attributes of the shards.
    """

    def __init__(self, work: Path, opened: Callable[[], Encode], about: Mapping[str, str]) -> None:
        self.work, self.about = work, about
        self.encode = opened()

    def __call__(self, jobs: Iterable[Job]) -> Iterator[Made]:
        """Make the shards, one after the other, and yield what each block took.

        The encoder sees one stream of clips and may be ahead of the block that is being written.
        """
        planned = [(job, self._blocks(job)) for job in jobs]
        missing = chain.from_iterable(_missing(*plan) for plan in planned)
        path = self.work / "under_way" / f"{socket.gethostname()}-{os.getpid()}"
        with _noted(path) as note, closing(note(missing, self.encode)) as arrays:
            for job, blocks in planned:
                yield from self._make(job, blocks, arrays)

    def _blocks(self, job: Job) -> list[_Block]:
        journal, ids = self.work / "journal" / Path(job.name).stem, list(job.clips)
        starts = range(0, len(ids), BLOCK_CLIPS)
        paths = [journal / f"{start:06d}.h5" for start in starts]
        finished = intact(self.work / "shards" / job.name)  # by a worker that was lost right after
        return [
            _Block(p, ids[i : i + BLOCK_CLIPS], bool(finished) or _is_whole(p))
            for p, i in zip(paths, starts, strict=True)
        ]

    def _make(
        self, job: Job, blocks: list[_Block], encoded: Iterator[Arrays | Quarantined]
    ) -> Iterator[Made]:
        for block in blocks:
            if block.done:
                yield Made(resumed=len(block.clip_id))
                continue
            donated = [c for c in block.clip_id if job.clips[c] in job.donors]
            found = {
                c: _donated(job, c) if job.clips[c] in job.donors else next(encoded)
                for c in block.clip_id
            }
            self._write(block.path, job.clips, found)
            yield Made(encoded=len(found) - len(donated), taken_over=len(donated))
        self._merge(job, blocks)

    def _write(
        self, path: Path, key: Mapping[str, str], found: Mapping[str, Arrays | Quarantined]
    ) -> None:
        arrays = {c: (key[c], a) for c, a in found.items() if not isinstance(a, Quarantined)}
        causes = {c: str(a) for c, a in found.items() if isinstance(a, Quarantined)}
        content = shard.image(path.stem, arrays, about=self.about, quarantined=causes)
        whole.write(path, content + hashlib.sha256(content).digest(), lasting=False)

    def _merge(self, job: Job, blocks: list[_Block]) -> None:
        merged: dict[str, tuple[str, Arrays]] = {}
        quarantined: dict[str, str] = {}
        finished = self.work / "shards" / job.name
        try:
            for block in blocks:
                if not _is_sealed(block.path):
                    raise whole.NotWrittenError(
                        f"{block.path} does not read back as it was written, expected the same "
                        "bytes; is the disk broken? Run again, which makes it anew"
                    )
                with shard.reading(block.path) as s:
                    merged |= {c: (s.key[c], s.clip(c)) for c in s.clip_id}
                    quarantined |= s.quarantined
            digest = shard.write(finished, merged, about=self.about, quarantined=quarantined)
            whole.write(finished.with_suffix(".sha256"), digest.encode(), lasting=False)
        except FileNotFoundError:  # another worker has the same job, and was faster
            if not intact(finished):
                raise
        shutil.rmtree(self.work / "journal" / finished.stem, ignore_errors=True)


def intact(finished: Path) -> str | None:
    """Return the sha256 of a finished shard that is as it was written, or else None."""
    said = finished.with_suffix(".sha256")
    if not (finished.is_file() and said.is_file()):
        return None
    (found,) = digests(finished, "sha256")
    if found.encode() != said.read_bytes():
        log.warning("made again: %s is not as it was written", finished)
        return None
    return found if opens(finished) else None


def opens(path: Path) -> bool:
    """Return whether a shard is there and whole; one that is not can be made again."""
    if not path.is_file():
        return False
    try:
        with shard.reading(path):
            return True
    except ValueError as error:
        log.warning("made again: %s", error)
        return False


def _is_whole(block: Path) -> bool:
    """Return whether a block is there as it was written; one that is not can be made again."""
    if not block.is_file():
        return False
    if not _is_sealed(block):
        log.warning("made again: %s is not as it was written", block)
        return False
    return opens(block)


def _is_sealed(block: Path) -> bool:
    content = block.read_bytes()
    return hashlib.sha256(content[:-SEAL_BYTES]).digest() == content[-SEAL_BYTES:]


def _missing(job: Job, blocks: list[_Block]) -> Iterator[str]:
    """Yield the clips that have to be encoded."""
    for block in blocks:
        if not block.done:
            yield from (c for c in block.clip_id if job.clips[c] not in job.donors)


def _donated(job: Job, clip_id: str) -> Arrays:
    path, donor = job.donors[job.clips[clip_id]]
    with shard.reading(path) as s:
        return s.clip(donor)


@contextmanager
def _noted(
    path: Path,
) -> Iterator[Callable[[Iterator[str], Encode], Generator[Arrays | Quarantined]]]:
    """Keep in a file which clips are under way, for a process that dies cannot say it any more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("w", buffering=1) as note:

            def taken(clip_ids: Iterator[str]) -> Iterator[str]:
                for clip_id in clip_ids:
                    note.write(f"{clip_id}\n")
                    yield clip_id

            def encoded(clip_ids: Iterator[str], encode: Encode) -> Generator[Arrays | Quarantined]:
                for arrays in encode(taken(clip_ids)):
                    note.write("\n")
                    yield arrays

            yield encoded
    finally:
        path.unlink(missing_ok=True)


def clips_under_way(work: Path) -> list[str]:
    """Return which clips were being encoded by runs that were killed or crashed; forget them."""
    clips = []
    for path in sorted((work / "under_way").glob("*")):
        lines = path.read_text().split("\n")[:-1]
        clips += list(filter(None, lines))[lines.count("") :]  # an empty line: one is done
        path.unlink(missing_ok=True)
    return list(dict.fromkeys(clips))
