import json
import subprocess
from pathlib import Path

import pytest

from avsc.artifacts.previous import Previous

MADE = {"a.h5": b"first", "b.parquet": b"second"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository whose stage has made data/x, which is then removed, as DVC does."""
    from dvc.repo import Repo

    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    with Repo.init(".") as repo:
        made(tmp_path, MADE)
        repo.stage.add(name="x", cmd="made elsewhere", outs=["data/x"])
        repo.commit("x", force=True)
    git("add", "-A")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "made")
    removed(tmp_path)
    return tmp_path


def git(*arguments):
    subprocess.run(["git", *arguments], check=True, capture_output=True)


def made(project, files):
    (project / "data/x").mkdir(parents=True)
    for name, content in files.items():
        (project / "data/x" / name).write_bytes(content)


def removed(project):
    for path in (project / "data/x").iterdir():
        path.unlink()
    (project / "data/x").rmdir()


def fetched(project, name):
    target = project / "back" / name
    return target.read_bytes() if Previous(Path("data/x")).fetch(name, target) else None


def test_files_come_back_from_the_cache_and_only_shards_are_named(project):
    assert {name: fetched(project, name) for name in MADE} == MADE
    assert fetched(project, "c.h5") is None
    assert Previous(Path("data/x")).names() == {"a.h5"}
    assert Previous(Path("data/y")).names() == set()


def test_a_file_that_the_last_commit_recorded_comes_back_beside_newer_ones(project):
    from dvc.repo import Repo

    made(project, {"a.h5": b"newer"})
    with Repo(".") as repo:
        repo.commit("x", force=True)
    removed(project)
    assert fetched(project, "a.h5") == b"newer"
    assert fetched(project, "b.parquet") == b"second"


def test_files_come_back_from_the_remote_where_the_cache_has_none(project, tmp_path_factory):
    from dvc.repo import Repo

    remote = tmp_path_factory.mktemp("remote")
    with Repo(".") as repo, repo.config.edit() as config:
        config["core"] = {"remote": "store"}
        config["remote"] = {"store": {"url": str(remote)}}
    with Repo(".") as repo:
        repo.push()
    (project / ".dvc/cache").rename(project / "lost")
    assert fetched(project, "a.h5") == b"first"
    remote.rename(remote.with_name("unplugged"))
    assert fetched(project, "a.h5") is None


def test_nothing_comes_back_without_cache_repository_or_lock(
    project, tmp_path_factory, monkeypatch
):
    (project / ".dvc/cache").rename(project / "lost")
    assert fetched(project, "a.h5") is None
    monkeypatch.chdir(tmp_path_factory.mktemp("bare"))
    assert Previous(Path("data/x")).names() == set()


def test_a_damaged_list_in_the_cache_is_a_warning_and_files_are_made_again(project, caplog):
    (listing,) = (project / ".dvc/cache").rglob("*.dir")
    listing.chmod(0o644)
    listing.write_text(listing.read_text()[:-5])
    assert fetched(project, "a.h5") is None
    assert "made again: the list of data/x is damaged in DVC's cache" in caplog.text
    assert not listing.exists()


def test_a_damaged_file_in_the_cache_is_removed_and_made_again(project, caplog):
    objects = [p for p in (project / ".dvc/cache").rglob("*") if p.is_file()]
    (stored,) = (p for p in objects if p.read_bytes() == b"first")
    stored.chmod(0o644)
    stored.write_bytes(b"furst")
    stored.chmod(0o444)  # DVC trusts it as it is
    assert fetched(project, "a.h5") is None
    assert "made again: data/x/a.h5 is damaged in DVC's cache" in caplog.text
    assert not stored.exists()
    assert fetched(project, "b.parquet") == b"second"


def test_a_list_that_names_files_elsewhere_gives_none_of_them(project):
    (listing,) = (project / ".dvc/cache").rglob("*.dir")
    rows = json.loads(listing.read_text())
    listing.chmod(0o644)
    listing.write_text(json.dumps([row | {"relpath": f"../{row['relpath']}"} for row in rows]))
    assert Previous(Path("data/x")).names() == set()
