from functools import partial

import numpy as np
import pytest

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


def test_a_block_that_is_gone_where_nobody_has_made_the_shard_is_an_error(work):
    making = worker(work)([JOB])
    next(making)
    next((work / "journal").rglob("*.h5")).unlink()
    with pytest.raises(FileNotFoundError, match=r"000000\.h5"):
        list(making)
