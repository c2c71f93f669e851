import errno
import fcntl
import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

from avsc.artifacts import whole

WRITER = """
import sys
from pathlib import Path
from avsc.artifacts import whole

with whole.writing(Path(sys.argv[1])) as partial:
    print("in", flush=True)
    for line in sys.stdin:
        with partial.open("a") as f:
            f.write(line)
        print("written", flush=True)
"""


@pytest.fixture
def writer(tmp_path):
    """Return what starts a process that writes tmp_path/file, line by line as it is told."""
    with ExitStack() as stack:

        def begin():
            command = [sys.executable, "-c", WRITER, str(tmp_path / "file")]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            process = stack.enter_context(subprocess.Popen(command, **pipes))
            stack.callback(process.kill)
            return process

        yield begin


def write(process, line):
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "written\n"


def test_nothing_is_under_its_name_until_all_of_it_is_there(tmp_path):
    with whole.writing(tmp_path / "deep/file") as partial:
        partial.write_text("half")
        assert not (tmp_path / "deep/file").exists()
        partial.write_text("whole")
    assert [(p.name, p.read_text()) for p in (tmp_path / "deep").iterdir()] == [("file", "whole")]


def test_a_reader_that_has_the_old_file_open_reads_the_old_content(tmp_path):
    whole.write(tmp_path / "file", b"before")
    with (tmp_path / "file").open("rb") as reader:
        whole.write(tmp_path / "file", b"after")
        assert reader.read() == b"before"
    assert (tmp_path / "file").read_bytes() == b"after"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_what_is_interrupted_leaves_what_was_there_and_nothing_else(tmp_path, error):
    whole.write(tmp_path / "file", b"before")

    def interrupted():
        with whole.writing(tmp_path / "file") as partial:
            partial.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"before")]


def test_two_processes_that_write_one_file_wait_for_each_other(writer, tmp_path):
    one = writer()
    assert one.stdout.readline() == "in\n"
    other = writer()
    write(one, "one")
    with (tmp_path / ".file.partial").open() as f, pytest.raises(BlockingIOError):
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    one.stdin.close()
    assert other.stdout.readline() == "in\n"  # not before `one` has ended
    assert (tmp_path / "file").read_text() == "one\n"
    write(other, "other")
    assert (tmp_path / "file").read_text() == "one\n"
    other.stdin.close()
    assert other.wait() == 0
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("file", "other\n")]


def test_what_a_killed_writer_leaves_is_written_over_by_the_next(writer, tmp_path):
    killed = writer()
    assert killed.stdout.readline() == "in\n"
    write(killed, "a long line that nobody finished")
    killed.kill()
    killed.wait()
    assert [p.name for p in tmp_path.iterdir()] == [".file.partial"]
    whole.write(tmp_path / "file", b"next")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"next")]


def test_a_file_system_without_locks_is_written_to_all_the_same(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    whole.write(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_folder_that_may_not_be_written_to_is_one_error_that_names_the_file(tmp_path):
    (tmp_path / "folder").write_text("which is a file")
    expected = r"folder/file could not be written \((Not a directory|File exists)\), expected room"
    with pytest.raises(whole.NotWrittenError, match=expected):
        whole.write(tmp_path / "folder/file", b"")


def test_a_disk_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(whole.NotWrittenError, match=r"file could not be written \(Input/output"):
        whole.write(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == []
