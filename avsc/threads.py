"""Work on a stream in threads, in order and never far ahead."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

X = TypeVar("X")
T = TypeVar("T")
E = TypeVar("E", bound=Exception)
AHEAD = 4  # items for each thread that may be done before they are asked for
PATIENCE_S = 900.0


def in_threads(
    function: Callable[[X], T],
    *,
    threads: int,
    passed_on: tuple[type[E], ...] = (),
    patience_s: float = PATIENCE_S,
) -> Callable[[Iterator[X]], Iterator[T | E]]:
    """Return what applies `function` to each item of a stream, several at once.

    Args:
        function: item -> result.
        threads: how many items are worked on at once.
        passed_on: errors that stand in the stream in place of a result. Any other ends the stream
            when it is the item's turn, with a note that names the item.
        patience_s: how long the next result may take. A thread that hangs cannot be stopped, but it
            does not keep the process from ending.

    Returns:
        A function from an iterator to the results, in order. It takes items ahead of the results
        that are asked for, AHEAD a thread, which bounds the memory.

    Raises:
        TimeoutError: if a result takes longer than `patience_s`; the message names the item.
    """

    def work(todo: "SimpleQueue[tuple[X, Future[Any]] | None]") -> None:
        while task := todo.get():
            item, future = task
            try:
                future.set_result(function(item))
            except passed_on as error:
                future.set_result(error)
            except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
                error.add_note(f"while it worked on {item!r}")
                future.set_exception(error)

    def results(items: Iterator[X]) -> Iterator[T | E]:
        todo: SimpleQueue[tuple[X, Future[Any]] | None] = SimpleQueue()
        for _ in range(threads):
            Thread(target=work, args=(todo,), daemon=True).start()
        waiting: deque[tuple[X, Future[Any]]] = deque()
        try:
            for item in items:
                task: tuple[X, Future[Any]] = (item, Future())
                todo.put(task)
                waiting.append(task)
                if len(waiting) == threads * AHEAD:
                    yield _awaited(*waiting.popleft(), patience_s)
            while waiting:
                yield _awaited(*waiting.popleft(), patience_s)
        finally:
            while not todo.empty():
                todo.get()
            for _ in range(threads):
                todo.put(None)

    return results


def _awaited(item: object, future: "Future[Any]", patience_s: float) -> Any:
    try:
        return future.result(timeout=patience_s)
    except NotYet:
        if future.done():
            raise
        raise TimeoutError(
            f"{item!r} took more than {patience_s:g} s, expected a result; is the file whole, and "
            "does the disk answer? Take it out of the data set, or mend it, and run again"
        ) from None


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
