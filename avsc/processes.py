"""Processes that train together, or side by side; how many is a choice of the machine."""

import os
import re
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from threading import RLock, Thread
from typing import Any, TypeVar

import psutil
import torch
from torch import multiprocessing
from tqdm import tqdm

from avsc.device import device
from avsc.threads import cores

X = TypeVar("X")
T = TypeVar("T")


class WorkerError(Exception):
    """What went wrong in one of several processes."""


def wanted() -> int:
    """Return the environment's AVSC_PROCESSES, else one for each GPU that is computed on, else 1.

    Raises:
        ValueError: if AVSC_PROCESSES is no number of processes.
    """
    given = os.environ.get("AVSC_PROCESSES")
    if given is None:
        return torch.cuda.device_count() if device() == "cuda" else 1
    if not given.isdecimal() or not int(given):
        raise ValueError(f"AVSC_PROCESSES is {given!r}, expected a number from 1 on")
    return int(given)


def run(main: Callable[[str], None], argument: str) -> None:
    """Call `main` in as many processes of this machine as are wanted, and end when all have ended.

    What a launcher (torchrun, accelerate launch) has started runs as the launcher says. The
    processes find one another over 127.0.0.1, and end with this one.

    Args:
        main: a function of a module.
        argument: what to call it with.

    Raises:
        WorkerError: with the message of the first process that failed; the others are ended.
    """
    count = 1 if "LOCAL_RANK" in os.environ else wanted()
    if count == 1:
        main(argument)
        return
    try:
        multiprocessing.spawn(_work, (count, _free_port(), main, argument), nprocs=count)
    except multiprocessing.ProcessRaisedException as error:
        said = re.split(r"\n .*", str(error))[-1].strip()  # what follows the last frame
        raise WorkerError(f"process {error.error_index} of {count}: {said}") from error
    except multiprocessing.ProcessExitedException as error:
        raise WorkerError(f"{error}; run again to go on after the last epoch") from error


def _work(rank: int, count: int, port: int, main: Callable[[str], None], argument: str) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        **{name: str(rank) for name in ("RANK", "LOCAL_RANK")},
        **{name: str(count) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE")},
    }
    main(argument)


def side_by_side(
    function: Callable[[X], T], items: Sequence[X], *, memory_bytes: int
) -> Iterator[T]:
    """Yield what `function` gives for each item, as each is done, by several processes.

    There are as many as AVSC_PROCESSES says, else one for each GPU, else as many as the cores, for
    torch's threads in each, and the memory have room for. Each has as many of torch's threads as
    this process; of several GPUs, each computes on one. Where they are copies of this process
    (`forked`), they share its modules and the arrays of `function` without reading them again.

    Args:
        function: of a module, or a partial of one; where processes are `forked`, anything.
        items: are taken one at a time by whichever process is free.
        memory_bytes: that a process needs.

    Raises:
        WorkerError: if a process is ended by another program; the others are ended, too.
    """
    count = min(len(items), room(memory_bytes))
    if count < 2:
        yield from (noting(function, item) for item in items)
        return
    context = get_context("fork") if forked() else get_context("spawn")
    todo, having, processes = deque(items), {}, []
    try:
        for rank in range(count):
            here, there = context.Pipe()
            own = (function, there, rank, torch.get_num_threads())
            processes.append(context.Process(target=_serve, args=own, daemon=True))
            processes[-1].start()
            there.close()  # so that the end of the process is the end of the pipe
            having[here] = todo.popleft()
            here.send((having[here],))
        while having:
            for pipe in wait(having):
                assert isinstance(pipe, Connection)
                yield _received(pipe, having.pop(pipe))
                if todo:
                    having[pipe] = todo.popleft()
                pipe.send((having[pipe],) if pipe in having else ())
        for process in processes:
            process.join()
    finally:
        for process in processes:
            process.kill()
            process.join()


def forked() -> bool:
    """Return whether processes side by side are copies of this one, which cannot use a GPU."""
    return device() == "cpu"


def noting(function: Callable[[X], T], item: X) -> T:
    """Return what `function` gives for an item; its errors get a note that names the item."""
    try:
        return function(item)
    except Exception as error:
        error.add_note(f"while it worked on {item}")
        raise


def room(memory_bytes: int) -> int:
    """Return how many processes of so much memory work side by side here."""
    if "AVSC_PROCESSES" in os.environ or device() != "cpu":
        return wanted()
    fitting = psutil.virtual_memory().available // max(1, memory_bytes)
    return max(1, min(cores() // torch.get_num_threads(), fitting))


def _received(pipe: Connection, item: object) -> Any:
    try:
        found, error = pipe.recv()
    except (EOFError, ConnectionResetError):
        raise WorkerError(
            f"the process that worked on {item} was ended by another program, or by the system for "
            "want of memory; run again, with AVSC_PROCESSES=1 if memory is short"
        ) from None
    if error is not None:
        raise error
    return found


def _serve(function: Callable[[Any], object], pipe: Connection, rank: int, threads: int) -> None:
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends this process
    tqdm.set_lock(RLock())  # the parent's is shared: a killed process would keep it for ever
    Thread(target=_end_with_parent, daemon=True).start()
    if device() == "cuda":
        os.environ["AVSC_DEVICE"] = f"cuda:{rank % torch.cuda.device_count()}"
    while task := pipe.recv():
        (item,) = task
        answer: tuple[object, Exception | None]
        try:
            answer = noting(function, item), None
        except Exception as error:  # noqa: BLE001 - raised by the parent
            answer = None, error
        pipe.send(answer)


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)  # or it would go on to write what another run writes by then


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
