import pytest

from avsc.artifacts import metrics, results


def test_files_are_read_by_name_and_absent_ones_are_left_out(tmp_path):
    root = tmp_path / "metrics"
    metrics.write(root / "early.json", {"clip": {"log_loss_macro": 0.5}})
    metrics.write_table(root / "early/scores.csv", [{"city": "007", "items": 3, "loss": None}])
    found = results.read(root, ["early.json", "early/scores.csv", "late.json"])
    assert found == {
        "metrics/early.json": {"clip": {"log_loss_macro": 0.5}},
        "metrics/early/scores.csv": [{"city": "007", "items": "3", "loss": ""}],
    }


def test_a_damaged_json_file_is_named(tmp_path):
    (tmp_path / "early.json").write_text('{"clip": ')
    with pytest.raises(ValueError, match=r"early\.json is no JSON \(Expecting value"):
        results.read(tmp_path, ["early.json"])


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff", b""])
def test_what_is_no_json_is_named(tmp_path, content):
    (tmp_path / "early.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"early\.json is no JSON \(.*\); delete it and run `dvc"):
        results.read_json(tmp_path / "early.json")


def test_a_json_file_that_is_not_there_is_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"early\.json is not there; run `dvc repro`"):
        results.read_json(tmp_path / "early.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no table"),
        (b"\xff\n", "is no table"),
        (b'a,"b\n', "is no table"),
        (b"a\n" + b"x" * 200_000 + b"\n", "is no table"),
        (b"a,b\n0.25,0.2", "is cut off in its last line"),
    ],
)
def test_what_is_no_whole_table_is_named(tmp_path, content, message):
    (tmp_path / "scores.csv").write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"scores\.csv {message}.*; delete it and run `dvc repro`"
    ):
        results.read(tmp_path, ["scores.csv"])


@pytest.mark.parametrize("row", ["1", "1,2,3"])
def test_a_row_with_fields_missing_or_over_is_named(tmp_path, row):
    (tmp_path / "scores.csv").write_text(f"a,b\n0,0\n{row}\n")
    with pytest.raises(ValueError, match=r"scores\.csv:3 has not 2 fields; run `dvc repro`"):
        results.read(tmp_path, ["scores.csv"])
