import subprocess
import sys

from avsc.datasets.demo.workers import pool

BEGUN = """
from threading import Event
from avsc.datasets.demo.workers import pool
processes = pool(1)
processes.submit(exec, "import signal; print('at work', flush=True); signal.pause()")
Event().wait()
"""


def test_worker_at_work_ends_with_a_process_that_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", BEGUN], stdout=subprocess.PIPE, text=True
    ) as begun:
        assert begun.stdout
        assert begun.stdout.readline() == "at work\n"
        begun.kill()
        assert begun.stdout.read() == ""  # its end: no worker holds it any more


def test_workers_finish_what_they_have_after_shutdown():
    processes = pool(2)
    found = processes.map(abs, range(-20, 0))
    processes.shutdown(wait=False)
    assert list(found) == list(range(20, 0, -1))
