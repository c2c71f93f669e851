import json

import pytest

from avsc.artifacts import disturbances, sealed_json
from avsc.artifacts.disturbances import Disturbance

DONE = [Disturbance("none", "none"), Disturbance("gain_db_-6.5", "gain", -6.5, "dB")]


def test_what_was_written_is_read(tmp_path):
    disturbances.write(tmp_path / "new", DONE)
    assert disturbances.read(tmp_path / "new") == DONE


def test_a_disturbed_clip_is_called_by_both_names():
    assert DONE[1].clips(["a", "b"]) == [("gain_db_-6.5/a", "a"), ("gain_db_-6.5/b", "b")]


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "[1]",
        '[{"name": "x"}]',
        '[{"nonsense": 1}]',
        '[{"name": 1, "kind": "gain"}]',
        '[{"name": "../x", "kind": "gain"}]',
        '[{"name": "missing_audio", "kind": "missing_video"}]',
        '[{"name": "gain_db_-6", "kind": "gain", "strength": -7, "unit": "dB"}]',
    ],
)
def test_a_damaged_file_is_named(tmp_path, text):
    sealed_json.write(tmp_path / disturbances.FILE, {"disturbances": json.loads(text)})
    with pytest.raises(
        ValueError, match=r"(?s)disturbances.json is damaged .*run `avsc data check --cache --heal`"
    ):
        disturbances.read(tmp_path)


def test_a_file_that_is_not_there_is_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"disturbances.json is not there; run `dvc repro`"):
        disturbances.read(tmp_path)


@pytest.mark.parametrize("text", ["[", "", "[" * 100_000, "[]", "1", '{"sha256": ""}', "{}"])
def test_a_text_without_a_digest_is_damaged(tmp_path, text):
    (tmp_path / "disturbances.json").write_text(text)
    with pytest.raises(ValueError, match=r"disturbances\.json is damaged \("):
        disturbances.read(tmp_path)


def test_a_file_with_a_flipped_bit_is_damaged(tmp_path):
    disturbances.write(tmp_path, DONE)
    path = tmp_path / disturbances.FILE
    content, refused = path.read_bytes(), 0
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        with pytest.raises(ValueError, match=r"disturbances\.json is damaged"):
            disturbances.read(tmp_path)
        refused += 1
    assert refused == len(content)


def test_a_file_that_was_written_for_another_folder_is_refused(tmp_path):
    disturbances.write(tmp_path / "one", DONE)
    (tmp_path / "one").rename(tmp_path / "other")
    with pytest.raises(ValueError, match="was written for 'one', expected 'other'; run `avsc"):
        disturbances.read(tmp_path / "other")
