"""Processes that train together, and what becomes of them."""

import os
import re
import subprocess
import sys

import pytest

from avsc import processes
from tests.pipeline.project import ROOT
from tests.stages import failing


@pytest.mark.slow
def test_what_goes_wrong_in_one_of_several_processes_is_one_message(monkeypatch):
    monkeypatch.setenv("AVSC_PROCESSES", "2")
    with pytest.raises(processes.WorkerError) as error:
        processes.run(failing.main, "it")
    assert re.fullmatch(
        "process [01] of 2: ValueError: there is no it, expected one; make it", str(error.value)
    )


@pytest.mark.slow
def test_no_process_outlives_the_one_that_started_it_not_even_where_ctrl_c_is_ignored():
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from avsc import processes; from tests.stages import waiting\n"
        "processes.run(waiting.main, 'ready')"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"AVSC_PROCESSES": "2"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert [parent.stdout.readline() for _ in range(2)] == ["ready\n"] * 2
    parent.kill()
    assert parent.communicate(timeout=60)[0] == ""  # once nobody holds the other end


@pytest.mark.parametrize("count", ["0", "many", "-1"])
def test_what_is_no_number_of_processes_is_refused(monkeypatch, count):
    monkeypatch.setenv("AVSC_PROCESSES", count)
    with pytest.raises(ValueError, match=f"AVSC_PROCESSES is '{count}', expected a number from 1"):
        processes.wanted()


def test_a_process_that_a_launcher_has_started_starts_no_others(monkeypatch):
    monkeypatch.setenv("AVSC_PROCESSES", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    called = []
    processes.run(called.append, "it")
    assert called == ["it"]
