"""What a user sees of a remote that does not do its part."""

from dataclasses import replace

import asyncssh
import pytest
from moto import settings

from tests.sharing import features
from tests.sharing.clones import cached, clone, connected

pytestmark = [pytest.mark.slow, pytest.mark.fault]
NIGHTLY = pytest.mark.nightly

MISSING = "do not exist neither locally nor on remote"


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    project = features.repository(tmp_path_factory.mktemp("few") / "project")
    features.hold(project, features.named(70))
    return project


def refused(project, *command):
    """Return what DVC says when it fails, and check that it gave no shard."""
    done = project.run("dvc", *command, check=False)
    assert done.returncode != 0
    assert not (project.root / features.OUT).exists()
    return done.stderr


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        pytest.param(
            "s3", "failed to connect to s3 (features/store/files/md5) - Forbidden", marks=NIGHTLY
        ),
        ("ssh", "failed to connect to ssh (/store/files/md5) - Permission denied for user ada"),
        pytest.param("http", MISSING, marks=NIGHTLY),
    ],
)
def test_wrong_credentials_give_nothing(kind, message, few, connected_to, tmp_path, monkeypatch):
    with connected_to(kind) as remote:
        producer = connected(few.copy(tmp_path / "producer"), remote)
        producer.run("dvc", "push")
        monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)  # keys are looked at now
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "other")
        wrong = {"http": {"password": "guessed"}, "ssh": {"keyfile": str(tmp_path / "other")}}
        stranger = clone(producer, tmp_path / "s", replace(remote, secrets=wrong.get(kind, {})))
        assert message in refused(stranger, "pull")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("directory", MISSING),
        pytest.param("s3", "Could not connect to the endpoint URL", marks=NIGHTLY),
        pytest.param("ssh", "failed to connect to ssh (/store/files/md5)", marks=NIGHTLY),
        ("http", MISSING),
    ],
)
def test_a_remote_out_of_reach_gives_nothing(kind, message, few, connected_to, tmp_path):
    with connected_to(kind) as remote:
        consumer = clone(connected(few.copy(tmp_path / "p"), remote), tmp_path / "c", remote)
    assert message in refused(consumer, "pull")


def test_a_push_finds_a_lost_shard_only_once_its_list_is_gone_too(few, folder, tmp_path):
    producer = connected(few.copy(tmp_path / "producer"), folder)
    producer.run("dvc", "push")
    stored = sorted(folder.objects())
    lost = next(p for p in stored if not p.endswith(".dir"))
    (tmp_path / "remote" / lost).unlink()
    said = refused(clone(producer, tmp_path / "consumer", folder), "pull")
    assert f"failed to transfer '{''.join(lost.split('/')[2:])}'" in said
    assert "up to date" in producer.run("dvc", "push").stdout
    (listing,) = (tmp_path / "remote").rglob("*.dir")
    listing.unlink()
    producer.run("dvc", "push")
    assert sorted(folder.objects()) == stored


def test_a_damaged_object_is_noticed_where_the_remote_is_told_to_verify(few, folder, tmp_path):
    verified = replace(folder, options={"verify": "true"})
    producer = connected(few.copy(tmp_path / "producer"), verified)
    producer.run("dvc", "push")
    sizes = verified.objects()
    damaged = tmp_path / "remote" / max(sizes, key=sizes.__getitem__)
    content = damaged.read_bytes()
    damaged.chmod(0o644)
    damaged.write_bytes(content[: len(content) // 2])
    consumer = clone(producer, tmp_path / "consumer", verified)
    refused(consumer, "pull")
    assert not any(size == len(content) // 2 for size in cached(consumer).values())
