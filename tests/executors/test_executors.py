import socket
import sys
from dataclasses import dataclass, field

import pytest

from avsc import executors


@dataclass(frozen=True)
class Job:
    name: str
    clips: dict[str, str] = field(default_factory=dict)


def test_local_opens_one_worker_for_all_jobs_and_is_what_a_name_alone_may_ask_for():
    opened = []

    def worker():
        opened.append(1)
        return lambda jobs: (job.name for job in jobs)

    for block in ("local", {"name": "local"}):
        assert [*executors.create(block)([Job("a"), Job("b")], worker)] == ["a", "b"]
    assert len(opened) == 2


@pytest.mark.parametrize("block", ["rya", "_cluster", None, {}, {"address": "auto"}])
def test_what_is_no_executor_is_refused_beside_those_that_there_are(block):
    with pytest.raises(ValueError, match=r"executor is ('|None).*, expected one of local, ray"):
        executors.create(block)


def test_a_key_that_the_executor_does_not_have_is_named():
    with pytest.raises(ValueError, match="executor local has no workers; it has no keys"):
        executors.create({"name": "local", "workers": 2})
    with pytest.raises(
        ValueError, match="executor ray has no adress; it has address, workers, cpus, gpus"
    ):
        executors.create({"name": "ray", "adress": "10.0.0.1:6379"})


@pytest.mark.parametrize(
    ("key", "value"),
    [("workers", 0), ("cpus", True), ("gpus", -1), ("gpus", float("nan"))],
)
def test_a_number_of_what_cannot_be_is_refused(key, value):
    with pytest.raises(ValueError, match=rf"executor.{key} is {value!r}, expected a number from"):
        executors.create({"name": "ray", key: value})


def test_without_ray_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in ("avsc.executors.ray", "avsc.executors._cluster"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(
        ModuleNotFoundError,
        match=r"executor is ray, but Ray is not installed: pip install avsc\[ray\]",
    ):
        executors.create("ray")


def shared(nodes, *, workers=None, cpus=None, gpus=None):
    each = executors.create({"name": "ray", "workers": workers, "cpus": cpus, "gpus": gpus}).share(
        [{"CPU": float(c), "GPU": float(g)} if g else {"CPU": float(c)} for c, g in nodes]
    )
    return each.workers, each.cpus, each.gpus


def test_without_gpus_each_core_has_a_worker():
    assert shared([(8, 0), (2, 0)]) == (10, 1, 0)
    assert shared([(8, 0), (2, 0)], cpus=4) == (2, 4, 0)
    assert shared([(8, 0), (2, 0)], workers=3) == (3, 1, 0)


def test_where_there_are_gpus_a_worker_has_one_and_its_share_of_the_cores():
    assert shared([(64, 8)]) == (8, 8, 1)
    assert shared([(64, 8), (16, 0)]) == (8, 8, 1)  # nodes without a GPU are left alone
    assert shared([(64, 8), (6, 2)]) == (10, 3, 1)  # and the fewest cores of any GPU are for all
    assert shared([(64, 8)], gpus=0.5) == (16, 4, 0.5)
    assert shared([(64, 8), (16, 0)], gpus=0) == (80, 1, 0)


def test_a_worker_for_which_no_node_has_room_is_refused_beside_what_there_is():
    from avsc.executors.ray import ClusterError

    with pytest.raises(
        ClusterError,
        match=r"no node has room for a worker of 4 CPUs and 1 GPUs; there are nodes of 2 CPUs and "
        "1 GPUs, 8 CPUs and 0 GPUs; lower executor.cpus or executor.gpus",
    ):
        shared([(2, 1), (8, 0)], cpus=4)


@pytest.mark.parametrize(
    ("asked", "gpus", "found"),
    [
        (None, 0, "cpu"),
        ("cuda:3", 0, "cpu"),
        ("cuda:3", 1, "cuda"),
        ("cpu", 1, "cpu"),
        (None, 1, None),
    ],
)
def test_a_worker_computes_where_its_share_says_by_no_number_of_the_driver_s(
    monkeypatch, asked, gpus, found
):
    from avsc.executors._cluster import Share, environment

    if asked:
        monkeypatch.setenv("AVSC_DEVICE", asked)
    else:
        monkeypatch.delenv("AVSC_DEVICE", raising=False)
    assert environment(Share(workers=1, cpus=2, gpus=gpus)).get("AVSC_DEVICE") == found


def test_an_address_where_nobody_listens_is_named():
    from avsc.executors.ray import ClusterError

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{s.getsockname()[1]}"
    with pytest.raises(
        ClusterError, match=rf"no Ray cluster answers at executor.address {address} \(.*refused"
    ):
        next(executors.create({"name": "ray", "address": address})([Job("a")], pytest.fail))


@pytest.mark.parametrize("address", ["ray://10.0.0.1:10001", "10.0.0.1", ":6379", "head:ssh"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match=rf"executor.address is '{address}', expected host:port"):
        next(executors.create({"name": "ray", "address": address})([Job("a")], pytest.fail))


def test_a_cluster_that_ray_does_not_find_is_an_error_that_says_what_to_start(monkeypatch):
    import ray

    from avsc.executors.ray import ClusterError

    def init(**_keys):
        raise ConnectionError("could not find any running Ray instance")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(
        ClusterError,
        match=r"at executor.address auto \(could not find.*; start one with `ray start`",
    ):
        next(executors.create({"name": "ray", "address": "auto"})([Job("a")], pytest.fail))
