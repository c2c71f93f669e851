"""Processes side by side: every item once, no more than the memory allows, never a hang."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

from avsc import processes


def squared(number):
    return number, number**2, os.getpid()


def threads(_):
    return torch.get_num_threads()


def ended(number):
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refused(number):
    raise ValueError(f"{number} is refused")


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 9])
def test_each_item_is_done_once_whatever_the_number_of_processes(monkeypatch, count):
    monkeypatch.setenv("AVSC_PROCESSES", str(count))
    done = sorted(processes.side_by_side(squared, range(3), memory_bytes=1))
    assert [(a, b) for a, b, _ in done] == [(n, n**2) for n in range(3)]
    ids = {pid for *_, pid in done}
    assert ids == {os.getpid()} if count == 1 else os.getpid() not in ids


@pytest.mark.slow
def test_each_process_has_as_many_threads_as_this_one(monkeypatch):
    monkeypatch.setenv("AVSC_PROCESSES", "2")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 2)
        assert {*processes.side_by_side(threads, range(2), memory_bytes=1)} == {before + 2}
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_a_process_that_the_system_ends_is_an_error_that_names_its_item(monkeypatch):
    monkeypatch.setenv("AVSC_PROCESSES", "2")
    with pytest.raises(processes.WorkerError, match=r"worked on 2 was ended .* AVSC_PROCESSES=1"):
        list(processes.side_by_side(ended, range(4), memory_bytes=1))
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_what_a_process_refuses_is_raised_here_and_the_others_end(monkeypatch):
    monkeypatch.setenv("AVSC_PROCESSES", "2")
    with pytest.raises(ValueError, match=r"\d is refused"):
        list(processes.side_by_side(refused, range(4), memory_bytes=1))
    assert not multiprocessing.active_children()


def test_processes_share_what_this_one_holds(monkeypatch, tmp_path):
    monkeypatch.setenv("AVSC_PROCESSES", "2")
    held = {number: str(number) for number in range(3)}  # no function of a module: not pickled

    def written(number):
        (tmp_path / held[number]).touch()
        return held[number]

    assert sorted(processes.side_by_side(written, range(3), memory_bytes=1)) == ["0", "1", "2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("needed", "threads", "count"), [(1, 1, 8), (4, 1, 2), (5, 1, 2), (11, 1, 1), (1, 3, 2)]
)
def test_there_are_as_many_processes_as_cores_and_memory_allow(monkeypatch, needed, threads, count):
    monkeypatch.setattr(processes.torch, "get_num_threads", lambda: threads)
    monkeypatch.delenv("AVSC_PROCESSES", raising=False)
    monkeypatch.setenv("AVSC_DEVICE", "cpu")
    monkeypatch.setenv("AVSC_CORES", "8")
    free = psutil.virtual_memory()._replace(available=10)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    assert processes.room(needed) == count


WAITING = """
from avsc import processes
from tests import test_side_by_side as here

list(processes.side_by_side(here.waited, range(2), memory_bytes=1))
"""


def waited(number):
    print(number, flush=True)  # noqa: T201
    signal.pause()


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(monkeypatch):
    monkeypatch.setenv("AVSC_PROCESSES", "2")
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", WAITING]
    parent = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE)
    try:
        assert sorted(parent.stdout.readline() for _ in range(2)) == [b"0\n", b"1\n"]
        left = psutil.Process(parent.pid).children()
    finally:
        parent.kill()
        parent.communicate()
    assert len(left) == 2
    gone, alive = psutil.wait_procs(left, timeout=60)
    assert len(gone) == 2
    assert not alive
