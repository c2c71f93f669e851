import errno

import numpy as np
import pytest

from avsc.artifacts import shard

CLIPS = {
    "a": ("key-a", {"embedding": np.arange(6, dtype=np.float32).reshape(3, 2)}),
    "b": ("key-b", {"embedding": np.arange(6, 10, dtype=np.float32).reshape(2, 2)}),
}


@pytest.fixture
def path(tmp_path):
    shard.write(tmp_path / "0a.h5", CLIPS, about={"scope": "segment"}, quarantined={"z": "no moov"})
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
        shard.write(tmp_path / f"{name}.h5", content, about={}, quarantined={})
    rows, count = shard.read(tmp_path, ["c", "b"], "embedding")
    np.testing.assert_array_equal(rows, np.concatenate([parts["c"], parts["b"]]))
    assert count.tolist() == [3, 2]


def test_shards_of_different_shapes_in_one_folder_are_refused(tmp_path):
    for name, width in {"x": 2, "y": 3}.items():
        content = {name: (name, {"embedding": np.ones((1, width), np.float32)})}
        shard.write(tmp_path / f"{name}.h5", content, about={}, quarantined={})
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
    shard.write(tmp_path / "v.h5", clips, about={}, quarantined={})
    with shard.reading(tmp_path / "v.h5") as s:
        assert list(s.clip("a")) == ["embedding"]
        np.testing.assert_array_equal(s.clip("b")["views"], views["views"])
    with pytest.raises(KeyError, match="lacks 1 of 2 clips, the first 'a'"):
        shard.read(tmp_path, ["b", "a"], "views")


def test_the_same_input_gives_the_same_bytes(path, tmp_path):
    again = tmp_path / "again" / "0a.h5"
    shard.write(again, CLIPS, about={"scope": "segment"}, quarantined={"z": "no moov"})
    assert again.read_bytes() == path.read_bytes()


def test_a_shard_of_quarantined_clips_only_is_read_as_empty(tmp_path):
    shard.write(tmp_path / "e.h5", {}, about={}, quarantined={"z": "why"})
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
    with pytest.raises(ValueError, match=r"0a\.h5 is damaged .*delete it and run `dvc repro`"):
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
    assert list(path.parent.iterdir()) == [path]
