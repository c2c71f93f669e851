"""Disks that are full or read-only, and clocks that jump."""

import os
import re
import subprocess

import pytest

from tests.pipeline.faults.breaking import (
    contents,
    forgotten,
    outputs,
    removed,
    repro,
    run,
    told,
)

pytestmark = [pytest.mark.slow, pytest.mark.fault, pytest.mark.timeout(600)]

WRITERS = (
    "synthesize demo",
    "index",
    "pseudo_label",
    "pretrain ast",
    "train fused",
    "study heads",
    "score fused",
)
FULL = """
import resource
from contextlib import contextmanager

import avsc.artifacts.whole as whole

writing = whole.writing

@contextmanager
def onto_a_full_disk(path):
    resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, resource.RLIM_INFINITY))
    try:
        with writing(path) as partial:
            yield partial
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)

whole.writing = onto_a_full_disk
"""
JUMPS = """
import itertools, time

real, by = time.time, itertools.cycle([-86400, 3 * 86400, 0, -30 * 86400])
time.time = lambda: real() + next(by)
"""


@pytest.mark.parametrize("stage", WRITERS)
def test_a_full_disk_is_one_error_that_names_the_file_and_leaves_none(project, stage):
    outs = outputs(project)[stage]
    expected = contents(project, outs)
    removed(project, outs)
    message = told(run(project, stage, FULL.format(room=40)))
    assert re.match(
        r"(\.avsc/data|data|metrics)/.* could not be written \(File too large\), expected room",
        message,
    )
    assert contents(project, outs) == {}
    assert run(project, stage).returncode == 0
    assert contents(project, outs) == expected


@pytest.mark.parametrize("stage", ["decode", "embed scalogram"])
def test_an_extraction_that_fills_the_disk_keeps_its_blocks_and_goes_on_from_them(
    project, small_disk, stage
):
    outs = outputs(project)[stage]
    expected = contents(project, outs)
    forgotten(project)
    removed(project, outs)
    work = project.root / ".avsc"
    work.mkdir()
    room = max(len(c) for n, c in expected.items() if n.endswith(".h5")) // 1024
    small_disk(work, "-t", "tmpfs", "-o", f"size={room * 5 // 4}k", "none")  # not for all twice
    message = told(run(project, stage))
    assert ".h5 could not be written (No space left on device), expected room" in message
    assert not any(name.endswith(".h5") for name in contents(project, outs))
    small_disk(work, "-o", f"remount,size={room * 4}k")
    again = run(project, stage)
    assert " 0 encoded" in again.stdout
    assert contents(project, outs) == expected


def test_an_extraction_that_may_write_no_large_file_keeps_its_blocks_and_goes_on(project):
    outs = outputs(project)["embed ast"]
    expected = contents(project, outs)
    forgotten(project)
    removed(project, outs)
    room = max(len(c) for n, c in expected.items() if n.endswith(".h5")) - 1
    message = told(run(project, "embed ast", FULL.format(room=room)))
    assert ".h5 could not be written (File too large), expected room" in message
    assert contents(project, outs) == {}
    again = run(project, "embed ast")
    assert "embed ast: 0 encoded" in again.stdout
    assert contents(project, outs) == expected


def test_folders_that_are_read_only_are_one_error_that_names_the_file(project, small_disk):
    folder = project.root / "metrics/fused"
    before = contents(project, ["metrics"])
    small_disk(folder, "--bind", str(folder))
    small_disk(folder, "-o", "remount,ro,bind")
    message = told(run(project, "score fused"))
    assert re.match(r"metrics/fused/.* could not be written \(Read-only file system\)", message)
    assert contents(project, ["metrics"]) == before


def test_a_cache_that_is_read_only_stops_dvc_and_what_was_made_is_not_made_again(own, small_disk):
    cache = own.root / ".dvc/cache"
    small_disk(cache, "--bind", str(cache))
    small_disk(cache, "-o", "remount,ro,bind")
    own.edit(train__audio__fit__epochs=1)
    done = own.run("dvc", "repro", "score@audio", check=False)
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr
    subprocess.run(["umount", str(cache)], check=True)
    assert "score@audio" in repro(own, "score@audio")
    assert repro(own, "score@audio") == []


@pytest.mark.parametrize("stage", ["decode", "embed ast", "train fused"])
def test_a_clock_that_jumps_changes_no_byte(project, stage):
    outs = outputs(project)[stage]
    expected = contents(project, outs)
    forgotten(project)
    removed(project, outs)
    assert run(project, stage, JUMPS).returncode == 0
    assert contents(project, outs) == expected


def test_files_from_the_past_and_the_future_rerun_nothing(own):
    for i, path in enumerate(sorted(p for p in own.root.glob("[admrs]*/**/*") if p.is_file())):
        when = (0, 4_000_000_000)[i % 2]
        os.utime(path, (when, when))
    assert repro(own) == []
