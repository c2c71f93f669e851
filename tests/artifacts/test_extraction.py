import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from avsc.artifacts import extraction, shard
from avsc.artifacts.extraction import chunk, extract
from avsc.artifacts.making import Quarantined
from avsc.threads import in_threads


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def out(project):
    return project.joinpath("data").relative_to(project) / "x"


def keys_of(ids, version="1"):
    return {c: hashlib.sha256(f"{c} {version}".encode()).hexdigest() for c in ids}


class Encoder:
    """Counts the clips that it encodes."""

    def __init__(self):
        self.clips = []

    def __call__(self):
        return partial(map, self.arrays)

    def arrays(self, clip_id):
        self.clips.append(clip_id)
        if clip_id.startswith("bad"):
            return Quarantined("moov atom not found")
        return {"embedding": np.full((2, 3), len(clip_id), dtype=np.float32)}


def contents(directory):
    """Return all files; the list of shards, which holds the folder's name, by its content."""
    files = {p.name: p.read_bytes() for p in directory.iterdir()}
    return files | {shard.LIST: list(shard.listed(directory).values())}


IDS = [f"clip{i}" for i in range(40)]


def test_chunks_hold_every_clip_once_in_order_and_never_more_than_twice_the_size():
    ids = [f"clip{i}" for i in range(1000)]
    shards = chunk(keys_of(ids), size=16)
    assert [c for s in shards for c in s] == ids
    assert max(map(len, shards)) <= 32
    assert 1000 / 32 < len(shards) < 1000 / 8


@pytest.mark.parametrize("position", [0, 321, 999])
def test_adding_or_removing_a_clip_changes_its_own_shard_only(position):
    ids = [f"clip{i}" for i in range(1000)]
    more = [*ids[:position], "new", *ids[position:]]
    before, after = ({tuple(s.items()) for s in chunk(keys_of(x), size=16)} for x in (ids, more))
    assert len(before - after) <= 2
    assert len(after - before) <= 2


def test_every_clip_is_encoded_once_and_comes_back(out):
    encoder = Encoder()
    tally = extract(out, keys_of(IDS), encoder, about={"scope": "segment"})
    assert sorted(encoder.clips) == sorted(IDS)
    assert (tally.encoded, tally.kept) == (40, 0)
    rows, _ = shard.read(out, ["clip7", "clip11"], "embedding")
    np.testing.assert_array_equal(rows, np.concatenate([np.full((2, 3), 5), np.full((2, 3), 6)]))


def test_a_clip_that_cannot_be_encoded_is_listed_with_its_cause(out):
    tally = extract(out, keys_of(["a", "bad", "c"]), Encoder(), about={})
    assert tally.quarantined == {"bad": "moov atom not found"}
    with pytest.raises(KeyError, match="the first 'bad'"):
        shard.read(out, ["bad"], "embedding")


class Killed(BaseException):
    pass


def test_a_killed_run_resumes_with_the_blocks_it_had_and_ends_in_the_same_bytes(
    out, project, monkeypatch
):
    monkeypatch.setattr(extraction, "chunk", lambda keys: [dict(keys)])

    class Dies(Encoder):
        def arrays(self, clip_id):
            if len(self.clips) == 21:
                raise Killed
            return super().arrays(clip_id)

    dies, rest = Dies(), Encoder()
    with pytest.raises(Killed):
        extract(out, keys_of(IDS), dies, about={})
    tally = extract(out, keys_of(IDS), rest, about={})
    assert tally.resumed == 16  # two whole blocks of eight
    assert tally.encoded == len(rest.clips) == 24
    other = project.joinpath("other").relative_to(project)
    extract(other, keys_of(IDS), Encoder(), about={})
    assert contents(out) == contents(other)


def test_finished_shards_outlive_a_lost_output_directory(out, monkeypatch):
    monkeypatch.setattr(extraction, "chunk", lambda keys: chunk(keys, size=8))
    extract(out, keys_of(IDS), Encoder(), about={})
    for path in out.iterdir():
        path.unlink()
    tally = extract(out, keys_of(IDS), Encoder(), about={})
    assert (tally.encoded, tally.resumed) == (0, 40)


def test_a_file_system_without_links_holds_the_same_bytes_and_nothing_else(
    out, project, monkeypatch
):
    other = project.joinpath("other").relative_to(project)
    extract(other, keys_of(IDS), Encoder(), about={})

    def refuse(*_):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    extract(out, keys_of(IDS), Encoder(), about={})
    assert contents(out) == contents(other)


def test_a_finished_shard_that_is_damaged_is_made_again(out):
    extract(out, keys_of(IDS), Encoder(), about={})
    expected = contents(out)
    for path in (out, *Path(".avsc").rglob("shards")):
        for shard_path in path.glob("*.h5"):
            content = shard_path.read_bytes()
            shard_path.unlink()
            shard_path.write_bytes(content[:-1])
    assert extract(out, keys_of(IDS), Encoder(), about={}).encoded == 40
    assert contents(out) == expected


def test_threads_change_nothing(out, project):
    other = project.joinpath("other").relative_to(project)
    extract(out, keys_of(IDS), Encoder(), about={})
    encoder = Encoder()
    extract(other, keys_of(IDS), lambda: in_threads(encoder.arrays, threads=4), about={})
    assert contents(out) == contents(other)


def test_an_encoder_is_not_opened_where_nothing_is_missing(out):
    extract(out, keys_of(IDS), Encoder(), about={})
    for path in out.iterdir():
        path.unlink()
    extract(out, keys_of(IDS), lambda: pytest.fail("opened"), about={})


def test_after_a_crash_the_clips_that_were_under_way_are_named_once(out, caplog):
    dying = [
        sys.executable,
        "-c",
        "import os, signal\n"
        "from functools import partial\n"
        "from pathlib import Path\n"
        "from avsc.artifacts.extraction import extract\n"
        "def die(clip_id):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "keys = {'a': '1' * 64, 'b': '2' * 64}\n"
        "extract(Path('data/x'), keys, lambda: partial(map, die), about={})",
    ]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run(dying, env=env, capture_output=True).returncode == -signal.SIGKILL
    keys = {"a": "1" * 64, "b": "2" * 64}
    extract(out, keys, Encoder(), about={})
    assert "killed or crashed while it encoded one of these clips" in caplog.text
    assert caplog.messages[-1].endswith(": a")
    caplog.clear()
    extract(out, keys_of(["c"]), Encoder(), about={})
    assert not caplog.messages


def test_a_run_that_fails_or_ends_leaves_no_note_of_clips_under_way(out):
    class Fails(Encoder):
        def arrays(self, clip_id):
            raise ValueError(f"{clip_id} is broken")

    with pytest.raises(ValueError, match="clip0 is broken"):
        extract(out, keys_of(IDS), Fails(), about={})
    extract(out, keys_of(IDS), Encoder(), about={})
    assert not [*Path(".avsc").rglob("under_way/*")]


def test_shards_of_clips_that_are_gone_are_removed(out):
    extract(out, keys_of(IDS), Encoder(), about={})
    extract(out, keys_of(IDS[:3]), Encoder(), about={})
    assert len(shard.read(out, IDS[:3], "embedding")[1]) == 3
    with pytest.raises(KeyError, match="lacks 1"):
        shard.read(out, [IDS[30]], "embedding")


@pytest.fixture
def repository(project):
    """A DVC repository whose output `data/x` is tracked, as after `dvc repro`."""
    from dvc.repo import Repo

    git = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": os.devnull}
    env = os.environ | git | {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}

    def run(*command):
        subprocess.run(command, check=True, env=env, capture_output=True)

    run("git", "init", "-q")
    Repo.init(str(project)).close()

    def track(directory):
        with Repo(str(project)) as repo:
            repo.stage.add(name="x", cmd="made elsewhere", outs=[str(directory)])
            repo.commit("x", force=True)
        run("git", "add", "-A")
        run("git", "commit", "-q", "-m", "tracked")

    return track


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["output", "work"])
def test_only_new_and_changed_clips_are_encoded_when_dvc_has_the_earlier_output(
    out, repository, monkeypatch, lost
):
    monkeypatch.setattr(extraction, "chunk", lambda keys: chunk(keys, size=8))
    extract(out, keys_of(IDS), Encoder(), about={})
    repository(out)
    shutil.rmtree(out)  # as DVC does before it runs a stage
    if lost == "work":
        shutil.rmtree(".avsc")
    encoder = Encoder()
    keys = keys_of(IDS) | keys_of(["clip12"], version="2") | keys_of(["new1", "new2"])
    del keys["clip30"]
    tally = extract(out, keys, encoder, about={})
    assert sorted(encoder.clips) == ["clip12", "new1", "new2"]
    assert tally.kept + tally.taken_over + tally.encoded == 41
    assert tally.kept >= 16
    assert len(shard.read(out, list(keys), "embedding")[1]) == 41


@pytest.mark.slow
def test_an_earlier_output_that_no_cache_holds_is_made_again(out, repository):
    extract(out, keys_of(IDS), Encoder(), about={})
    repository(out)
    for lost in (out, ".avsc", ".dvc/cache"):
        shutil.rmtree(lost)
    assert extract(out, keys_of(IDS), Encoder(), about={}).encoded == 40
