"""ray: shards are made by processes of a Ray cluster, on nodes that share the project's directory.

Each process holds a worker, which reads what it needs from that directory and writes its shards
there; Ray carries jobs and counts. A process has one job at a time, so what is in flight is bounded
by their number. When a process or its node dies, another makes its job again, from the blocks that
are there.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from avsc.executors import Job, Worker
from avsc.executors._cluster import (
    ClusterError,
    check_node,
    connected,
    enter,
    environment,
    own_address,
    share,
    token,
)

ATTEMPTS = 3
PATIENCE_S = 600.0
CHECK_S = 1.0  # between two looks at whether Ray lives

log = logging.getLogger(__name__)


class Executor:
    """Hands jobs to the processes of a cluster as they become free.

    Args:
        address: host:port of the cluster's head, of which this machine is a node; "auto" for what
            Ray finds (RAY_ADDRESS, or a cluster that runs here). None starts Ray on this machine
            alone, until the work is done.
        workers: processes at most; None for as many as there is room for.
        cpus: cores of each, which it reads as AVSC_CORES; None for one, or where it has GPUs for as
            large a share of its node's cores.
        gpus: of each, also a part of one; None for one where there are any.

    Raises:
        ValueError: if a number is out of range, or is no number.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        workers: int | None = None,
        cpus: int | None = None,
        gpus: float | int | None = None,
    ) -> None:
        for name, value, least in (("workers", workers, 1), ("cpus", cpus, 1), ("gpus", gpus, 0)):
            kinds = (int, float) if name == "gpus" else (int,)
            if value is not None and (type(value) not in kinds or not value >= least):
                raise ValueError(
                    f"executor.{name} is {value!r}, expected a number from {least} on, or none: "
                    "then it follows from the cluster"
                )
        self.address = address
        self.share = partial(share, workers=workers, cpus=cpus, gpus=gpus)

    def __call__(self, jobs: Sequence[Job], worker: Callable[[], Worker]) -> Iterator[Any]:
        """Yield what workers yield for the jobs, each result once.

        Raises:
            ClusterError: if there is no such cluster, or no room in it; if one of its nodes does
                not see this directory; if a job is lost again and again.
        """
        with connected(self.address), token() as seen:
            each = self.share([n["Resources"] for n in ray.nodes() if n["Alive"]])
            root, factory = Path.cwd(), ray.put(worker)
            kind = ray.remote(_Process).options(
                num_cpus=each.cpus,
                num_gpus=each.gpus,
                runtime_env={"env_vars": environment(each)},
            )

            def start() -> tuple[Any, Any]:
                process: Any = kind.remote()
                return process, process.open.remote(root, seen, [factory])

            run = _Run(jobs, start, partial(check_node, own_address()))
            yield from run.results(min(each.workers, len(jobs)))


class _Process:
    """What runs in a process of the cluster."""

    def open(self, root: Path, token: str, worker: Sequence[Any]) -> None:
        """Open a worker; it comes by reference, in a list, so that the directory is seen first."""
        enter(root, token)
        self.worker: Worker = ray.get(worker[0])()

    def make(self, job: Job) -> Iterator[Any]:
        for result in self.worker([job]):  # noqa: UP028 - Ray sends values, which iterators refuse
            yield result


class _Run:
    """Jobs, and the processes that make them.

    Args:
        jobs: to be made.
        start: starts a process, and returns it with a reference that is ready when it is open.
        check: raises an error if no results can come any more.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        start: Callable[[], tuple[Any, Any]],
        check: Callable[[], None],
    ) -> None:
        self.waiting = deque(jobs)
        self.start, self.check = start, check
        self.opening: dict[Any, Any] = {}  # {reference: process}
        self.idle: list[Any] = []
        self.making: dict[Any, tuple[Any, Job, int]] = {}  # {results: (process, job, their number)}
        self.known: Counter[str] = Counter()  # results of each job that were yielded
        self.lost: Counter[str] = Counter()  # processes of each job since its last new result
        self.unopened = 0

    def results(self, processes: int) -> Iterator[Any]:
        """Yield the results of all jobs."""
        for _ in range(processes):
            self._start()
        while self.waiting or self.making:
            while self.idle and self.waiting:
                process, job = self.idle.pop(), self.waiting.popleft()
                results = process.make.options(num_returns="streaming").remote(job)
                self.making[results] = (process, job, 0)
            ready = self._ready()
            if ready in self.opening:
                self._opened(ready, at_most=ATTEMPTS * processes)
            elif ready is not None:
                yield from self._next(ready)

    def _start(self) -> None:
        process, reference = self.start()
        self.opening[reference] = process

    def _ready(self) -> Any:
        found: list[Any] = []
        end = monotonic() + PATIENCE_S
        while not found and monotonic() < end:
            found, _ = ray.wait([*self.opening, *self.making], timeout=min(CHECK_S, PATIENCE_S))
            self.check()
        if not found and not self.making:
            raise ClusterError(
                f"no worker could be started in {PATIENCE_S:g} s, expected room for one; is the "
                "cluster busy, or has it lost its nodes? Add some, and run again"
            )
        return found[0] if found else None

    def _opened(self, reference: Any, *, at_most: int) -> None:
        process = self.opening.pop(reference)
        try:
            with _as_if_here():
                ray.get(reference)
        except RayError as error:
            self.unopened += 1
            if self.unopened == at_most:
                raise ClusterError(
                    f"{at_most} workers ended before they were open; has every node the same "
                    f"packages, and memory for the encoder? The last: {error}"
                ) from error
            self._start()
        else:
            self.idle.append(process)

    def _next(self, results: Any) -> Iterator[Any]:
        process, job, number = self.making.pop(results)
        try:
            with _as_if_here():
                found = [ray.get(reference) for reference in islice(results, 1)]
        except RayError as error:
            ray.kill(process)  # it may live, out of reach
            self._again(job, error)
            return
        if not found:
            self.idle.append(process)
            return
        self.making[results] = (process, job, number + 1)  # behind the others
        if number == self.known[job.name]:
            self.known[job.name] += 1
            self.lost[job.name] = 0
            yield found[0]

    def _again(self, job: Job, error: RayError) -> None:
        self.lost[job.name] += 1
        cause = str(error).split("\n", 1)[0]
        if self.lost[job.name] == ATTEMPTS:
            raise ClusterError(
                f"{job} was lost {ATTEMPTS} times at the same place, the last time so: {cause}; "
                "does it crash or exhaust the memory of its node? Run again to make the rest; of a "
                "shard, that run names the clips that were under way"
            ) from error
        log.warning("a worker was lost, and %s goes to another one: %s", job, cause)
        self.waiting.append(job)
        self._start()


@contextmanager
def _as_if_here() -> Iterator[None]:
    """Raise what went wrong in a worker as if it had gone wrong in this process."""
    try:
        yield
    except RayTaskError as error:
        if isinstance(error.cause, Exception):
            raise error.cause from None
        raise ClusterError(f"a worker failed: {error}") from error
