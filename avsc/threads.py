"""Work on a stream in threads, in order and never far ahead.

No worker outlives its stream, and none is at work while Python ends: it may hold a lock, such as
h5py's, for which the end of the process would wait for ever.
"""

import atexit
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from queue import SimpleQueue
from threading import Thread, current_thread
from typing import Any, TypeVar
from weakref import WeakSet

X = TypeVar("X")
T = TypeVar("T")
E = TypeVar("E", bound=Exception)
AHEAD = 4  # items for each thread that may be done before they are asked for
PATIENCE_S = 900.0

_streams: WeakSet[Generator] = WeakSet()  # that were begun
_workers: WeakSet[Thread] = WeakSet()


class HangError(TimeoutError):
    """An item takes too long, and the message names it."""


def in_threads(
    function: Callable[[X], T],
    *,
    threads: int,
    passed_on: tuple[type[E], ...] = (),
    patience_s: float = PATIENCE_S,
) -> Callable[[Iterator[X]], Generator[T | E]]:
    """Return what applies `function` to each item of a stream, several at once.

    Args:
        function: item -> result.
        threads: how many items are worked on at once.
        passed_on: errors that stand in the stream in place of a result. Any other ends the stream
            when it is the item's turn, with a note that names the item.
        patience_s: how long the next result may take. A thread that hangs cannot be stopped; the
            process then ends without it, with exit code 1.

    Returns:
        A function from an iterator to a stream of the results, in order. The stream takes items
        ahead of the results that are asked for, AHEAD a thread, which bounds the memory. When it
        ends, fails or is closed, its workers finish the items in hand and end.

    Raises:
        HangError: if a result takes longer than `patience_s`; the message names the item.
    """

    def work(todo: "SimpleQueue[tuple[X, Future[Any]] | None]") -> None:
        while task := todo.get():
            item, future = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(function(item))
            except passed_on as error:
                future.set_result(error)
            except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
                error.add_note(f"while it worked on {item!r}")
                future.set_exception(error)

    def results(items: Iterator[X]) -> Generator[T | E]:
        todo: SimpleQueue[tuple[X, Future[Any]] | None] = SimpleQueue()
        workers = [Thread(target=work, args=(todo,), daemon=True) for _ in range(threads)]
        _workers.update(workers)
        for worker in workers:
            worker.start()
        waiting: deque[tuple[X, Future[Any]]] = deque()
        left_s = patience_s
        try:
            for item in items:
                task: tuple[X, Future[Any]] = (item, Future())
                todo.put(task)
                waiting.append(task)
                if len(waiting) == threads * AHEAD:
                    yield _awaited(*waiting.popleft(), patience_s)
            while waiting:
                yield _awaited(*waiting.popleft(), patience_s)
        except HangError:
            left_s = 0.0
            raise
        finally:
            for _, future in waiting:
                future.cancel()
            for _ in workers:
                todo.put(None)
            _join(workers, left_s)

    def stream(items: Iterator[X]) -> Generator[T | E]:
        made = results(items)
        _streams.add(made)
        return made

    return stream


def _awaited(item: object, future: "Future[Any]", patience_s: float) -> Any:
    try:
        return future.result(timeout=patience_s)
    except NotYet:
        if future.done():
            raise
        raise HangError(
            f"{item!r} took more than {patience_s:g} s, expected a result; is the file whole, and "
            "does the disk answer? Take it out of the data set, or mend it, and run again"
        ) from None


def _join(workers: Sequence[Thread], patience_s: float) -> None:
    end = time.monotonic() + patience_s
    for worker in workers:
        if worker is not current_thread():  # where the garbage collector closes a stream
            worker.join(max(0.0, end - time.monotonic()))


@atexit.register
def _end_workers() -> None:
    """Close the streams that an error left open; end the process if a worker hangs."""
    for stream in list(_streams):
        stream.close()
    if any(worker.is_alive() for worker in _workers):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


def cores() -> int:
    """Return how many cores this process may use: the environment's AVSC_CORES, else all it has.

    Raises:
        ValueError: if AVSC_CORES is no number of cores.
    """
    if given := os.environ.get("AVSC_CORES"):
        if not given.isdecimal() or not int(given):
            raise ValueError(f"AVSC_CORES is {given!r}, expected a number from 1 on")
        return int(given)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
