"""Transfers that are killed in the middle."""

import re

import pytest

from tests.sharing import features
from tests.sharing.clones import cached, clone, connected
from tests.sharing.killing import killed_midway
from tests.sharing.remotes import files

pytestmark = [pytest.mark.slow, pytest.mark.fault]

HALF, FILES = 600_000, 7  # of about 1.4 MB in about twenty files
SPOKEN = 100_000  # bytes of protocol, at most


def whole(found, expected):
    """Return the objects that are there, after a check that none is there in part."""
    named = {path: size for path, size in found.items() if not path.endswith(".tmp")}
    assert named.items() <= expected.items()
    return named


def transferred(done, verb):
    return int(re.search(rf"(\d+) files? {verb}", done.stdout).group(1))


def test_a_killed_push_shows_nobody_half_a_shard_and_the_next_one_sends_the_rest(
    shards, remote, tmp_path
):
    producer = connected(shards.copy(tmp_path / "producer"), remote)
    expected = cached(producer)
    with killed_midway(producer, remote, count=HALF, files=FILES):
        assert producer.run("dvc", "push", check=False).returncode == -9
    sent = whole(remote.objects(), expected)
    assert 0 < len(sent) < len(expected)
    early = clone(producer, tmp_path / "early", remote)
    assert early.run("dvc", "pull", check=False).returncode != 0
    assert not (early.root / features.OUT).exists()
    if remote.wire:
        remote.wire.mend()
    assert transferred(producer.run("dvc", "push"), "pushed") == len(expected) - len(sent)
    assert whole(remote.objects(), expected) == expected
    if remote.wire:
        assert remote.wire.sent < sum(expected.values()) - sum(sent.values()) + SPOKEN


def test_a_killed_pull_leaves_no_half_shard_and_the_next_one_fetches_the_rest(
    shards, remote, tmp_path
):
    producer = connected(shards.copy(tmp_path / "producer"), remote)
    producer.run("dvc", "push")
    expected = cached(producer)
    consumer = clone(producer, tmp_path / "consumer", remote)
    with killed_midway(consumer, remote, count=HALF, files=FILES):
        assert consumer.run("dvc", "pull", check=False).returncode == -9
    fetched = whole(cached(consumer), expected)
    assert 0 < len(fetched) < len(expected)
    assert not (consumer.root / features.OUT).exists()
    consumer.run("dvc", "pull")
    if remote.wire:
        assert remote.wire.received < sum(expected.values()) - sum(fetched.values()) + SPOKEN
    assert files(consumer.root / features.OUT) == files(producer.root / features.OUT)
    assert consumer.run("dvc", "status", "-q").returncode == 0  # by digest
