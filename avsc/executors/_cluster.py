"""A Ray cluster: reach it, share it out, and be sure that its nodes see the same directory."""

import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import ray

ANSWER_S = 10.0
ENVIRONMENT = ("HF_HOME", "HF_HUB_OFFLINE", "OMP_NUM_THREADS")  # and AVSC_*, for all processes


class ClusterError(Exception):
    """The cluster cannot do the work, and the message says why."""


@dataclass(frozen=True)
class Share:
    """How many workers there are, and what each of them gets of its node."""

    workers: int
    cpus: int
    gpus: float | int


def share(
    nodes: Sequence[Mapping[str, float]],
    *,
    workers: int | None,
    cpus: int | None,
    gpus: float | int | None,
) -> Share:
    """Return how a cluster is shared out.

    Args:
        nodes: what Ray says of each: CPU and GPU.
        workers: at most; None for as many as there is room for.
        cpus: of each; None for one, or where it has GPUs for as large a share of its node's cores.
        gpus: of each; None for one where there are any.

    Raises:
        ClusterError: if no node has room for a worker.
    """
    have = [(int(n.get("CPU", 0)), n.get("GPU", 0.0)) for n in nodes]
    if gpus is None:
        gpus = 1.0 if any(g for _, g in have) else 0.0
    shares = [int(c * gpus / g) for c, g in have if g] if gpus else []
    cpus = cpus or max(1, min(shares, default=1))
    room = sum(min(c // cpus, int(g / gpus) if gpus else c) for c, g in have)
    if not room:
        found = ", ".join(f"{c} CPUs and {g:g} GPUs" for c, g in have)
        raise ClusterError(
            f"no node has room for a worker of {cpus} CPUs and {gpus:g} GPUs; there are nodes of "
            f"{found}; lower executor.cpus or executor.gpus"
        )
    return Share(min(room, workers or room), cpus, gpus)


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be a driver of the cluster at `address`, or of one on this machine that ends with it.

    Raises:
        ClusterError: if there is none, or this machine is not of it.
        ValueError: if `address` is none.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address not in (None, "auto"):
        _check_answers(str(address))
    try:
        context = ray.init(
            address=address or "local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"no Ray cluster can be used at executor.address {address} ({error}); start one with "
            "`ray start`, this machine among its nodes"
        ) from error
    with context:
        yield


def own_address() -> tuple[str, int]:
    """Return where Ray's process of this node listens."""
    own = ray.get_runtime_context().get_node_id()
    node = next(n for n in ray.nodes() if n["NodeID"] == own)
    return node["NodeManagerAddress"], node["NodeManagerPort"]


def check_node(address: tuple[str, int]) -> None:
    """Raise an error if Ray's process of this node is dead: Ray ends the driver seconds later."""
    try:
        socket.create_connection(address, timeout=ANSWER_S).close()
    except OSError as error:
        raise ClusterError(
            "Ray's process of this node (raylet) was ended by another program, or by the system "
            "for want of memory; run again, which goes on from the finished blocks"
        ) from error


def _check_answers(address: str) -> None:
    """Raise an error if nobody listens, of which Ray would take minutes to be sure."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise ValueError(
            f"executor.address is {address!r}, expected host:port of the cluster's head, such as "
            "10.0.0.1:6379, or auto; without an address Ray starts on this machine"
        )
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"no Ray cluster answers at executor.address {address} ({error}), expected its head; "
            "start it with `ray start --head`, or correct the address"
        ) from error


@contextmanager
def token() -> Iterator[str]:
    """Yield the name of a new file in this directory, which `enter` looks for."""
    name = Path(".avsc") / f"seen-by-all-{uuid4().hex}"
    name.parent.mkdir(exist_ok=True)
    name.touch()
    try:
        yield str(name)
    finally:
        name.unlink()


def enter(root: Path, token: str) -> None:
    """Go to the driver's directory.

    Raises:
        ClusterError: if the driver's token is not in it.
    """
    if not (root / token).is_file():
        raise ClusterError(
            f"node {socket.gethostname()} does not see {root}, where this run works, expected one "
            "directory that all nodes share; mount it on every node under the same path"
        )
    os.chdir(root)


def environment(each: Share) -> dict[str, str]:
    """Return the environment of a worker with its share of a node.

    Ray hides no GPU from a worker that asked for none, and gives a worker's own the number 0.
    """
    passed = {k: v for k, v in os.environ.items() if k.startswith("AVSC_") or k in ENVIRONMENT}
    path = os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))
    asked = passed.pop("AVSC_DEVICE", "").partition(":")[0]
    device = asked if each.gpus else "cpu"
    own = {"AVSC_CORES": str(each.cpus), "PYTHONPATH": path}
    return passed | own | ({"AVSC_DEVICE": device} if device else {})
