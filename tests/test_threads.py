import subprocess
import sys
from collections import deque
from itertools import count
from threading import Barrier, Event, active_count

import pytest

from avsc.threads import AHEAD, cores, in_threads
from tests.pipeline.project import ROOT


class Absent(Exception):
    pass


def listed(items):
    return iter([str(i) for i in items])


def test_results_come_in_the_order_of_the_items_however_long_each_takes():
    later = Event()

    def slow_first(item):
        if item == "0":
            later.wait(timeout=60)
        if item == "3":
            later.set()
        return item

    assert [*in_threads(slow_first, threads=2)(listed(range(9)))] == [*listed(range(9))]


def test_as_many_items_are_worked_on_at_once_as_there_are_threads():
    together = Barrier(3, timeout=60)

    def meet(item):
        together.wait()
        return item

    assert len([*in_threads(meet, threads=3)(listed(range(9)))]) == 9


def test_a_stream_without_end_is_taken_only_so_far_ahead():
    taken = []

    def endless():
        for i in count():
            taken.append(i)
            yield str(i)

    results = in_threads(str, threads=2)(endless())
    assert next(results) == "0"
    assert len(taken) == 2 * AHEAD
    results.close()


def test_errors_that_are_passed_on_stand_in_their_place():
    def odd(item):
        if int(item) % 2:
            raise Absent(item)
        return item

    found = [*in_threads(odd, threads=2, passed_on=(Absent,))(listed(range(4)))]
    assert [type(f) for f in found] == [str, Absent, str, Absent]
    assert str(found[3]) == "3"


def test_any_other_error_ends_the_stream_at_its_turn_and_names_the_item():
    def fails(item):
        if item == "2":
            raise ValueError("broken")
        return item

    results = in_threads(fails, threads=2)(listed(range(4)))
    assert [next(results), next(results)] == ["0", "1"]
    with pytest.raises(ValueError, match="broken") as caught:
        next(results)
    assert caught.value.__notes__ == ["while it worked on '2'"]


def test_an_item_that_hangs_is_named_and_those_before_it_are_had():
    forever = Event()

    def hangs(item):
        return item if item == "0" else forever.wait()

    seen = deque()
    with pytest.raises(TimeoutError, match=r"'1' took more than 0\.05 s"):
        seen.extend(in_threads(hangs, threads=1, patience_s=0.05)(listed(range(2))))
    forever.set()
    assert [*seen] == ["0"]


def test_an_error_of_the_function_about_time_is_its_own():
    def late(_item):
        raise TimeoutError("the disk did not answer")

    with pytest.raises(TimeoutError, match="the disk did not answer"):
        next(in_threads(late, threads=1)(listed(range(1))))


def test_the_environment_may_leave_a_process_fewer_cores(monkeypatch):
    monkeypatch.setenv("AVSC_CORES", "3")
    assert cores() == 3
    monkeypatch.setenv("AVSC_CORES", "many")
    with pytest.raises(ValueError, match="AVSC_CORES is 'many', expected a number from 1 on"):
        cores()


@pytest.mark.parametrize("end", [lambda stream: stream.close(), deque])
def test_no_worker_outlives_its_stream(end):
    before = active_count()
    stream = in_threads(str, threads=3)(listed(range(20)))
    next(stream)
    assert active_count() == before + 3
    end(stream)
    assert active_count() == before


def ended(code):
    """Return the exit code and the last line on stderr of a process that has a stream."""
    start = "from threading import Event\nfrom avsc.threads import in_threads\n"
    command = [sys.executable, "-c", start + code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr.rstrip("\n").rpartition("\n")[2]


def test_process_with_an_open_stream_ends_with_its_own_exit_code():
    code = "s = in_threads(str, threads=2)(iter(range(99)))\nnext(s)\nraise SystemExit(3)"
    assert ended(code) == (3, "")


def test_process_ends_without_a_worker_that_hangs():
    code = "next(in_threads(lambda _: Event().wait(), threads=1, patience_s=0.05)(iter('a')))"
    exit_code, message = ended(code)
    assert exit_code == 1
    assert message.startswith("avsc.threads.HangError: 'a' took more than 0.05 s")
