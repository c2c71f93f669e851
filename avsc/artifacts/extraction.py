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
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from avsc.artifacts import shard, whole
from avsc.artifacts.making import Encode, Job, Made, Worker, clips_under_way, intact, opens
from avsc.artifacts.previous import Previous

WORK = Path(".avsc")
SHARD_CLIPS = 64
COUNTED = ("kept", "taken_over", "resumed", "encoded")
Execute = Callable[[Sequence[Job], Callable[[], Worker]], Iterator[Made]]

log = logging.getLogger(__name__)


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


def extract(
    out: Path,
    keys: Mapping[str, str],
    opened: Callable[[], Encode],
    *,
    about: Mapping[str, str],
    execute: Execute | None = None,
) -> Tally:
    """Make `out` hold the arrays of exactly the clips in `keys`; a second run of it waits.

    Args:
        out: a directory, relative to the root of the DVC repository.
        keys: {clip_id: sha256 of all that the clip's arrays are made from}.
        opened: gives the encoder, of which each worker has one: a stream of clip ids in, the arrays
            of each out, or the Quarantined that says why it has none. Not called if nothing is
            missing.
        about: attributes of the shards.
        execute: where the shards are made; None makes them in this process.

    Returns:
        How many clips were encoded, and how many came from where.
    """
    work = WORK / out
    with whole.alone(work / "lock"):
        plan = {f"{key_of(*c.items())[:20]}.h5": c for c in chunk(keys)}
        previous = Previous(out)
        out.mkdir(parents=True, exist_ok=True)
        (out / shard.LIST).unlink(missing_ok=True)
        for stale in set(out.glob("*.h5")) - {out / name for name in plan}:
            stale.unlink()

        fetched = {n: previous.fetch(n, out / n) for n in plan}
        kept = {n: digest for n, digest in fetched.items() if digest and opens(out / n)}
        missing = {n: c for n, c in plan.items() if n not in kept}
        finished = {n for n in missing if intact(work / "shards" / n)}
        todo = {n: c for n, c in missing.items() if n not in finished}
        counts = Counter(
            kept=sum(len(plan[n]) for n in kept),
            resumed=sum(len(missing[n]) for n in finished),
        )
        if todo:
            _warn_of_crashes(work)
            donors = _donors(previous, plan, todo, work)
            counts += _made(out, todo, donors, partial(Worker, work, opened, about), execute)
            shutil.rmtree(work / "under_way", ignore_errors=True)  # of workers that died on the way
        made = {n: _linked(work / "shards" / n, out / n) for n in missing}
        shard.write_list(out, kept | made)
        for left in (work / "shards").glob("*.h5"):
            if left.name not in missing:
                left.unlink()
                left.with_suffix(".sha256").unlink(missing_ok=True)
        shutil.rmtree(work / "dropped", ignore_errors=True)
        quarantined: dict[str, str] = {}
        for name in plan:
            with shard.reading(out / name) as s:
                quarantined |= s.quarantined
        return Tally(**{n: counts[n] for n in COUNTED}, quarantined=quarantined)


def _made(
    out: Path,
    todo: Mapping[str, dict[str, str]],
    donors: Mapping[str, tuple[Path, str]],
    worker: Callable[[], Worker],
    execute: Execute | None,
) -> Counter[str]:
    """Make the shards that are missing, and count what became of their clips."""
    counts: Counter[str] = Counter()
    jobs = [
        Job(name, clips, {k: donors[k] for k in clips.values() if k in donors})
        for name, clips in todo.items()
    ]
    with tqdm(total=sum(map(len, todo.values())), desc=str(out), unit="clip") as bar:
        for made in execute(jobs, worker) if execute else worker()(jobs):
            counts.update(asdict(made))
            bar.update(sum(asdict(made).values()))
    return counts


def _warn_of_crashes(work: Path) -> None:
    if clips := clips_under_way(work):
        log.warning(
            "a run was killed or crashed while it encoded one of these clips; if that was the "
            "clip's doing, take it out of the data set: %s",
            ", ".join(clips),
        )


def _donors(
    previous: Previous, plan: Mapping[str, object], todo: Mapping[str, dict[str, str]], work: Path
) -> dict[str, tuple[Path, str]]:
    """Return {key: (shard, clip_id)} of wanted arrays that lie in shards no longer wanted."""
    wanted = {key for clips in todo.values() for key in clips.values()}
    dropped = [work / "dropped" / name for name in sorted(previous.names() - set(plan))]
    old = [p for p in dropped if previous.fetch(p.name, p)]
    old += [p for p in sorted((work / "shards").glob("*.h5")) if p.name not in plan and intact(p)]
    donors = {}
    for path in filter(opens, old):
        with shard.reading(path) as s:
            donors.update({key: (path, c) for c, key in s.key.items() if key in wanted})
    return donors


def _linked(source: Path, target: Path) -> str:
    """Link a finished shard to its place and return its sha256."""
    link(source, target)
    digest = intact(source)
    if not digest:
        raise whole.NotWrittenError(
            f"{source} does not read back as it was written, expected the same bytes; is the disk "
            "broken? Run again, which makes it anew"
        )
    return digest


def link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, or a copy where the file system has no links."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        whole.write(target, source.read_bytes())
