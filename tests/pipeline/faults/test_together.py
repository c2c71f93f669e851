"""Several at once: two runs of DVC, two of a stage, and processes that the system takes away."""

import os
import re
import select
import subprocess
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from signal import Signals

import pytest

from tests.pipeline.faults.breaking import contents, fault, forgotten, outputs, removed, repro, run
from tests.pipeline.project import environment

pytestmark = [pytest.mark.slow, pytest.mark.fault, pytest.mark.timeout(600)]

WAITS = """
import os, sys

turn = os.environ.get("AVSC_TURN")
left = [{numbers}.get(turn, -1)]

def wait():
    left[0] = -1
    if not os.path.exists(f".trace/{{turn}}.met"):
        open(f".trace/{{turn}}.met", "w").close()
        open(f".trace/{{turn}}.here", "w").close()
        os.read(os.open(f".trace/{{turn}}.go", os.O_RDONLY), 1)

def hook(event, arguments):
    left[0] -= event == "open" and arguments[1] == "a"  # before whole.py has locked it
    if left[0] == 0:
        wait()

if left[0] == 0:
    wait()
sys.addaudithook(hook)
"""
DIES = """
import os, signal, sys

left = [9]

def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".mp4"):
        left[0] -= 1
        if not left[0]:
            with open(".trace/last", "w") as f:
                f.write(str(arguments[0]))
            os.kill(os.getpid(), signal.{signal})

sys.addaudithook(hook)
"""


@contextmanager
def waiting(project, turn, *command):
    """Start what waits in its turn, and yield it with what lets it go on."""
    here, going, met = (project.root / f".trace/{turn}.{end}" for end in ("here", "go", "met"))
    os.mkfifo(here)
    os.mkfifo(going)
    seen = os.open(here, os.O_RDONLY | os.O_NONBLOCK)
    word = os.open(going, os.O_RDWR)
    env = environment() | {"AVSC_TURN": turn}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(["python", "-m", *command], cwd=project.root, env=env, **pipes) as begun:
        ended = os.pidfd_open(begun.pid)
        try:
            assert seen in select.select([seen, ended], [], [])[0]
            yield begun, partial(os.write, word, b"!")
        finally:
            begun.kill()
            for file in (seen, word, ended):
                os.close(file)
            for path in (here, going, met):
                path.unlink(missing_ok=True)


def test_a_second_repro_of_the_same_says_who_is_at_it_and_tears_nothing(own):
    before = own.lock()
    own.edit(train__audio__fit__epochs=1)
    fault(own, WAITS.format(numbers={"first": 0}))
    with waiting(own, "first", "dvc", "repro", "score@audio") as (first, go):
        second = own.run("dvc", "repro", "score@audio", check=False)
        assert second.returncode != 0
        assert "is busy, it is being blocked by" in second.stderr
        go()
        _, errors = first.communicate()
        assert first.returncode == 0, errors
    fault(own, "")
    assert repro(own, "score@audio") == []
    own.edit(train__audio__fit__epochs=2)
    assert repro(own, "score@audio") == []
    assert own.lock() == before


@pytest.mark.parametrize(
    ("stage", "number"),
    [("train fused", 1), ("train fused", 3), ("study heads", 1), ("study heads", 2)],
)
def test_a_stage_that_another_run_of_it_overtakes_ends_with_the_same_bytes(project, stage, number):
    outs = outputs(project)[stage]
    expected = contents(project, outs)
    removed(project, outs)
    fault(project, WAITS.format(numbers={"first": number}))
    module, *arguments = stage.split()
    with waiting(project, "first", f"stages.{module}", *arguments) as (first, go):
        second = run(project, stage)
        go()
        _, errors = first.communicate()
    assert (first.returncode, second.returncode) == (0, 0), errors + second.stderr
    assert contents(project, outs) == expected


@pytest.mark.parametrize(
    "number",
    [1, pytest.param(3, marks=pytest.mark.nightly)],  # of the files that a stage writes
)
@pytest.mark.parametrize("stage", ["decode", "embed scalogram"])
def test_two_workers_on_one_shard_both_end_with_the_same_bytes(project, stage, number):
    outs = outputs(project)[stage]
    expected = contents(project, outs)
    forgotten(project)
    removed(project, outs)
    fault(project, WAITS.format(numbers={"first": number, "second": 0}))
    command = [f"stages.{stage.split()[0]}", *stage.split()[1:]]
    with (
        waiting(project, "first", *command) as (first, go_first),
        waiting(project, "second", *command) as (second, go_second),
    ):
        go_second()
        go_first()
        ended = [(one.communicate()[1], one.returncode) for one in (first, second)]
    assert [code for _, code in ended] == [0, 0], ended
    assert contents(project, outs) == expected


@pytest.mark.parametrize("signal", [Signals.SIGKILL, Signals.SIGSEGV])
def test_a_decoder_that_takes_the_process_with_it_is_told_with_the_clips_it_had(project, signal):
    outs = outputs(project)["decode"]
    expected = contents(project, outs)
    forgotten(project)
    removed(project, outs)
    died = run(project, "decode", DIES.format(signal=signal.name))
    assert died.returncode == -signal
    again = run(project, "decode")
    assert again.returncode == 0
    assert contents(project, outs) == expected
    clips = re.search(r"crashed while it encoded one of these clips; .*: (.*)", again.stderr)[1]
    assert Path((project.root / ".trace/last").read_text()).stem in clips.split(", ")
    assert len(clips.split(", ")) < 24


@pytest.mark.parametrize("content", ["", '{"read": {"data/m'])
def test_a_lock_of_dvc_that_was_cut_off_is_named(own, content):
    (own.root / ".dvc/tmp/rwlock").write_text(content)
    own.edit(train__audio__fit__epochs=1)
    done = own.run("dvc", "repro", "score@audio", check=False)
    assert "Unable to read RWLock-file '.dvc/tmp/rwlock'" in done.stderr
    (own.root / ".dvc/tmp/rwlock").unlink()
    assert repro(own, "score@audio") == ["train@audio", "score@audio"]


def test_a_dvc_lock_that_was_cut_off_is_filled_in_from_the_cache_or_named(own):
    before, path = own.lock(), own.root / "dvc.lock"
    text = path.read_text()
    path.write_text(text[: text.rindex("\n  score")])
    assert repro(own) == []
    assert own.lock() == before
    path.write_text(text[: text.index("md5: ") + 2])
    done = own.run("dvc", "status", check=False)
    assert done.returncode != 0
    assert "dvc.lock" in done.stderr
