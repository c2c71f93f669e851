"""local: all shards are made in this process."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from avsc.executors import Job, Worker


class Executor:
    """Opens one worker, and gives it all jobs as one stream."""

    def __call__(self, jobs: Sequence[Job], worker: Callable[[], Worker]) -> Iterator[Any]:
        """Yield what the worker yields."""
        yield from worker()(jobs)
