"""Digests that are remembered: never those of what a file no longer is."""

import hashlib
import os
import time

import pytest

from avsc.artifacts import digests


def later():
    """Return a time at which no file of a test is new any more."""
    return time.time() + 100


@pytest.fixture
def file(tmp_path):
    (tmp_path / "clip.wav").write_bytes(b"sound of the clip")
    return tmp_path / "clip.wav"


@pytest.fixture
def digest_of(tmp_path, monkeypatch):
    """Return what a run of its own says of a file, and whether it read it."""
    read = []
    plain = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda f, *a: read.append(f.name) or plain(f, *a))

    def digest_of(file, *, now=later):
        read.clear()
        with digests.remembered(tmp_path / ".avsc/digests.json", now=now) as sha256:
            return sha256(file), bool(read)

    return digest_of


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_a_file_that_is_as_it_was_is_not_read_again(file, digest_of):
    expected = sha256(b"sound of the clip")
    assert digest_of(file) == (expected, True)
    assert digest_of(file) == (expected, False)
    assert digest_of(file) == (expected, False)


def written_over(file):
    with file.open("r+b") as f:
        f.write(b"noise")


def written_over_and_dated_back(file):
    before = file.stat()
    written_over(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced_by_one_of_its_size_and_date(file):
    before, other = file.stat(), file.with_name("other")
    other.write_bytes(b"noise of the clip")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)


def turned_into_a_link(file):
    file.with_name("other").write_bytes(b"noise of the clip")
    file.unlink()
    file.symlink_to("other")


@pytest.mark.parametrize(
    "change",
    [
        written_over,
        written_over_and_dated_back,
        replaced_by_one_of_its_size_and_date,
        turned_into_a_link,
        lambda file: file.write_bytes(b"shorter"),
    ],
)
def test_a_file_that_has_changed_is_read_again(file, digest_of, change):
    digest_of(file)
    before = file.stat().st_ctime_ns
    while file.stat().st_ctime_ns == before:  # within a tick of the kernel's clock nobody can tell
        change(file)
    assert digest_of(file) == (sha256(file.read_bytes()), True)


def test_a_file_that_changed_a_moment_ago_is_not_remembered(file, digest_of):
    changed = file.stat().st_ctime
    for seconds in (0, digests.RACY_S - 1, -100):  # the last: by a clock that was put back
        digest_of(file, now=lambda s=seconds: changed + s)
        assert digest_of(file, now=lambda s=seconds: changed + s)[1]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 1}', b"\xff", b'{"a": "', b'{"a": []}'])
def test_what_is_no_list_of_digests_is_passed_over(file, digest_of, tmp_path, content):
    digest_of(file)
    (tmp_path / ".avsc/digests.json").write_bytes(content)
    assert digest_of(file) == (sha256(b"sound of the clip"), True)


def test_a_run_that_fails_remembers_what_it_had_read(file, digest_of, tmp_path):
    def fails():
        with digests.remembered(tmp_path / ".avsc/digests.json", now=later) as sha256:
            sha256(file)
            sha256(tmp_path / "absent")

    with pytest.raises(FileNotFoundError, match="absent"):
        fails()
    assert not digest_of(file)[1]


def test_files_that_nobody_asks_for_any_more_are_forgotten(file, digest_of, tmp_path):
    digest_of(file)
    digest_of(tmp_path / ".avsc/digests.json")
    assert digest_of(file)[1]
