"""How many processes train together: a choice of the machine, so no parameter."""

import os
import re
import socket
from collections.abc import Callable
from multiprocessing import parent_process
from threading import Thread

import torch
from torch import multiprocessing

from avsc.device import device


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


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)  # or it would go on to write what another run writes by then


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
