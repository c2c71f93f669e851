import errno
import fcntl

import numpy as np
import pytest

from avsc.artifacts import shard
from tests.artifacts import toy_shards

CLIPS = {
    "a": ("key-a", {"embedding": np.arange(6, dtype=np.float32).reshape(3, 2)}),
    "b": ("key-b", {"embedding": np.arange(6, 10, dtype=np.float32).reshape(2, 2)}),
}


@pytest.fixture
def path(tmp_path):
    toy_shards.write(
        tmp_path / "0a.h5", CLIPS, about={"scope": "segment"}, quarantined={"z": "no moov"}
    )
    return tmp_path / "0a.h5"


def test_rows_come_back_clip_by_clip_in_the_order_asked_for(path):
    rows, count = shard.read(path.parent, ["b", "a"], "embedding")
    a, b = (CLIPS[c][1]["embedding"] for c in "ab")
    np.testing.assert_array_equal(rows, np.concatenate([b, a]))
    assert count.tolist() == [len(b), len(a)]


def test_rows_of_several_shards_come_back_in_the_order_asked_for(tmp_path):
    parts = {c: np.full((n, 2), n, np.float32) for n, c in enumerate("abc", start=1)}
    for name, clips in {"x": "ac", "y": "b"}.items():
        content = {c: (f"key-{c}", {"embedding": parts[c]}) for c in clips}
        toy_shards.write(tmp_path / f"{name}.h5", content, about={}, quarantined={})
    rows, count = shard.read(tmp_path, ["c", "b"], "embedding")
    np.testing.assert_array_equal(rows, np.concatenate([parts["c"], parts["b"]]))
    assert count.tolist() == [3, 2]


def test_shards_of_different_shapes_in_one_folder_are_refused(tmp_path):
    for name, width in {"x": 2, "y": 3}.items():
        content = {name: (name, {"embedding": np.ones((1, width), np.float32)})}
        toy_shards.write(tmp_path / f"{name}.h5", content, about={}, quarantined={})
    with pytest.raises(
        ValueError, match=r"y\.h5 holds embedding of \(3,\) float32, others .* \(2,\)"
    ):
        shard.read(tmp_path, ["x", "y"], "embedding")


def test_a_clip_asked_for_twice_is_refused(path):
    with pytest.raises(ValueError, match="asked for twice, the first 'a'"):
        shard.read(path.parent, ["a", "b", "a"], "embedding")


def test_a_shard_says_what_it_holds(path):
    with shard.reading(path) as s:
        assert s.key == {"a": "key-a", "b": "key-b"}
        assert s.quarantined == {"z": "no moov"}
        assert s.about["scope"] == "segment"
        np.testing.assert_array_equal(s.clip("b")["embedding"], CLIPS["b"][1]["embedding"])


def test_a_clip_may_lack_an_array_that_another_has(tmp_path):
    views = {"views": np.ones((3, 4, 2), dtype=np.float32)}
    clips = {"a": CLIPS["a"], "b": ("key-b", CLIPS["b"][1] | views)}
    toy_shards.write(tmp_path / "v.h5", clips, about={}, quarantined={})
    with shard.reading(tmp_path / "v.h5") as s:
        assert list(s.clip("a")) == ["embedding"]
        np.testing.assert_array_equal(s.clip("b")["views"], views["views"])
    with pytest.raises(KeyError, match="lacks 1 of 2 clips, the first 'a'"):
        shard.read(tmp_path, ["b", "a"], "views")


def test_the_same_input_gives_the_same_bytes(path, tmp_path):
    again = tmp_path / "again" / "0a.h5"
    toy_shards.write(again, CLIPS, about={"scope": "segment"}, quarantined={"z": "no moov"})
    assert again.read_bytes() == path.read_bytes()


def test_a_shard_of_quarantined_clips_only_is_read_as_empty(tmp_path):
    toy_shards.write(tmp_path / "e.h5", {}, about={}, quarantined={"z": "why"})
    with shard.reading(tmp_path / "e.h5") as s:
        assert (s.clip_id, s.names, s.quarantined) == ([], [], {"z": "why"})


def test_a_missing_clip_is_named_with_what_to_do(path):
    with pytest.raises(KeyError, match="lacks 1 of 2 clips, the first 'q'; run `dvc repro`"):
        shard.read(path.parent, ["a", "q"], "embedding")


def test_a_missing_array_is_named_beside_those_there_are(path):
    with pytest.raises(KeyError, match=r"holds \['embedding'\], but no 'logits'"):
        shard.read(path.parent, ["a"], "logits")


def test_a_missing_directory_says_what_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="run `dvc repro` or `dvc pull` first"):
        shard.read(tmp_path / "none", ["a"], "embedding")


def test_a_renamed_shard_is_refused(path):
    moved = path.rename(path.with_name("0b.h5"))
    with pytest.raises(ValueError, match=r"says that it is 0a\.h5"), shard.reading(moved):
        pass


def test_a_shard_of_another_version_is_refused(path):
    import h5py

    with h5py.File(path, "a") as f:
        f.attrs["encoding_version"] = np.bytes_("0")
    with pytest.raises(ValueError, match="'encoding_version': '0'"), shard.reading(path):
        pass


def test_a_truncated_shard_is_named(path):
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"0a\.h5 is damaged .*run `avsc data check --cache --he"):
        shard.read(path.parent, ["a"], "embedding")


def test_a_flipped_bit_in_an_array_is_found(path):
    data = bytearray(path.read_bytes())
    at = data.find(CLIPS["a"][1]["embedding"].tobytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"0a\.h5 is damaged"):
        shard.read(path.parent, ["a"], "embedding")


def test_an_unfinished_shard_is_no_shard(path, monkeypatch):
    def full(*_args, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("avsc.artifacts.whole.os.fsync", full)
    expected = r"0c\.h5 could not be written \(No space left on device\), expected room on a disk"
    with pytest.raises(OSError, match=expected):
        shard.write(path.with_name("0c.h5"), CLIPS, about={}, quarantined={})
    assert list(path.parent.glob("*.h5")) == [path]


def test_zeros_in_place_of_rows_and_their_checksum_are_found(path):
    content, rows = path.read_bytes(), CLIPS["a"][1]["embedding"].tobytes()
    at = content.index(rows)
    end = content.index(CLIPS["b"][1]["embedding"].tobytes()) + 20  # with the checksum of 4 bytes
    path.write_bytes(content[:at] + bytes(end - at) + content[end:])
    with pytest.raises(
        ValueError, match=r"0a\.h5 is damaged \(its sha256 is .*, shards\.json says"
    ):
        shard.read(path.parent, ["a"], "embedding")


def test_a_shard_that_changes_after_it_was_checked_is_checked_again(path):
    shard.read(path.parent, ["a"], "embedding")
    content = path.read_bytes()
    path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    with pytest.raises(ValueError, match=r"0a\.h5 is damaged"):
        shard.read(path.parent, ["a"], "embedding")


def test_a_lost_shard_is_not_taken_for_clips_in_quarantine(path):
    toy_shards.write(path.with_name("0b.h5"), {"c": CLIPS["a"]})
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks 1 of 2 shards, the first 0a\.h5; run `dvc"):
        shard.read(path.parent, ["c"], "embedding")


def test_a_folder_without_its_list_is_incomplete(path):
    (path.parent / shard.LIST).unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks shards\.json: its stage has not ended, or"):
        shard.read(path.parent, ["a"], "embedding")


def test_shards_that_were_written_for_another_folder_are_refused(path, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for name in (path.name, shard.LIST):
        (other / name).write_bytes(path.with_name(name).read_bytes())
    with pytest.raises(ValueError, match=r"shards\.json was written for '.*', expected 'other'"):
        shard.read(other, ["a"], "embedding")


def test_a_shard_is_read_while_another_program_locks_it(path):
    with path.open("rb") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        assert shard.read(path.parent, ["a"], "embedding")[1].tolist() == [3]
