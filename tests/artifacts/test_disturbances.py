import pytest

from avsc.artifacts import disturbances
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
        "[",
        "",
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
    (tmp_path / disturbances.FILE).write_text(text)
    with pytest.raises(
        ValueError, match=r"(?s)disturbances.json is damaged .*delete it and run `dvc"
    ):
        disturbances.read(tmp_path)


def test_a_file_that_is_not_there_is_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"disturbances.json is not there; run `dvc repro`"):
        disturbances.read(tmp_path)


def test_a_list_that_is_nested_without_end_is_damaged(tmp_path):
    (tmp_path / "disturbances.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"disturbances\.json is damaged \(maximum recursion"):
        disturbances.read(tmp_path)
