from functools import partial

import numpy as np
import pytest

from avsc.artifacts import shard, whole
from avsc.artifacts.making import Job, Made, Worker

JOB = Job("s.h5", {f"clip{i:02d}": f"{i:064d}" for i in range(20)}, donors={})


@pytest.fixture
def work(tmp_path):
    return tmp_path / "work"


def arrays(clip_id):
    return {"embedding": np.frombuffer(clip_id.encode(), np.uint8)[None]}


def worker(work, encode=arrays):
    return Worker(work, lambda: partial(map, encode), about={})


def test_a_block_is_told_when_it_is_written(work):
    assert [*worker(work)([JOB])] == [Made(encoded=8), Made(encoded=8), Made(encoded=4)]


def test_a_shard_that_a_lost_worker_had_finished_is_not_made_again_and_told_block_by_block(work):
    first = [*worker(work)([JOB])]
    content = (work / "shards/s.h5").read_bytes()
    again = [*worker(work, encode=lambda clip_id: pytest.fail(clip_id))([JOB])]
    assert again == [Made(resumed=m.encoded) for m in first]
    assert (work / "shards/s.h5").read_bytes() == content


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_a_worker_that_was_given_up_for_lost_and_lives_tears_nothing(work, tmp_path, blocks):
    list(worker(tmp_path / "other")([JOB]))
    slow = worker(work)([JOB])
    for _ in range(blocks):
        next(slow)
    told = [*worker(work)([JOB])]
    assert told[:blocks] == [Made(resumed=8)] * blocks
    content = (work / "shards/s.h5").read_bytes()
    assert len(list(slow)) == 3 - blocks
    assert (work / "shards/s.h5").read_bytes() == content
    assert content == (tmp_path / "other/shards/s.h5").read_bytes()
    assert not [p for p in work.rglob("*") if p.is_file() and p.parent.name != "shards"]


def zeroed_array(content):
    """Put zeros in place of the rows and of the checksum behind them."""
    rows = b"".join(f"clip{i:02d}".encode() for i in range(8))
    start = content.rindex(rows)
    return content[:start] + bytes(len(rows) + 4) + content[start + len(rows) + 4 :]


@pytest.mark.parametrize(
    "damaged",
    [lambda _: b"", lambda c: bytes(len(c)), lambda c: c[:-1], zeroed_array],
    ids=["empty", "zeros", "cut", "zeros for its rows and their checksum"],
)
def test_a_block_that_a_power_failure_spoiled_is_made_again(work, tmp_path, caplog, damaged):
    list(worker(tmp_path / "other")([JOB]))
    making = worker(work)([JOB])
    next(making), next(making)
    making.close()
    block = work / "journal/s/000000.h5"
    block.write_bytes(damaged(block.read_bytes()))
    assert [*worker(work)([JOB])] == [Made(encoded=8), Made(resumed=8), Made(encoded=4)]
    assert "made again: " in caplog.text
    expected = (tmp_path / "other/shards/s.h5").read_bytes()
    assert (work / "shards/s.h5").read_bytes() == expected


def test_the_zeros_of_that_test_pass_the_checksums_of_hdf5(work):
    making = worker(work)([JOB])
    next(making)
    block = work / "journal/s/000000.h5"
    block.write_bytes(zeroed_array(block.read_bytes()))
    with shard.reading(block) as s:
        assert not s.rows("embedding").any()


def test_a_block_that_the_disk_loses_while_its_shard_is_made_is_an_error(work):
    making = worker(work)([JOB])
    next(making)
    block = work / "journal/s/000000.h5"
    block.write_bytes(zeroed_array(block.read_bytes()))
    with pytest.raises(whole.NotWrittenError, match=r"000000\.h5 does not read back as it was wri"):
        list(making)
    assert next(worker(work)([JOB])) == Made(encoded=8)


def test_finished_shards_are_on_the_disk_before_they_have_their_name_and_blocks_need_not(
    work, monkeypatch
):
    synced = []
    monkeypatch.setattr("avsc.artifacts.whole.os.fsync", synced.append)
    making = worker(work)([JOB])
    for _ in range(3):
        next(making)
    assert not synced
    list(making)
    assert len(synced) == 1


def test_a_block_that_is_gone_where_nobody_has_made_the_shard_is_an_error(work):
    making = worker(work)([JOB])
    next(making)
    next((work / "journal").rglob("*.h5")).unlink()
    with pytest.raises(FileNotFoundError, match=r"000000\.h5"):
        list(making)
