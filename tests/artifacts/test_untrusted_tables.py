"""Tables of strangers, Parquet and csv: what a reader refuses before it believes it."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avsc.artifacts import (
    manifest,
    parquet,
    prediction_tables,
    predictions,
    pseudo_labels,
    submission,
    truth,
)
from avsc.artifacts.predictions import Predictions

MEDIA_ROW = {
    "clip_id": "a",
    "fold": "train",
    "audio": "audio/a.wav",
    "video": "video/a.mp4",
    "audio_sha256": "0" * 64,
    "video_sha256": "f" * 64,
}


# Parquet


@pytest.fixture
def probs(tmp_path):
    answers = Predictions(["a", "b"], [0, 0], np.array([[0.25, 0.75], [0.5, 0.5]]), ("x", "y"))
    predictions.write(tmp_path / "p.parquet", {"val": answers})
    return tmp_path / "p.parquet"


def test_every_flipped_bit_of_predictions_is_found(probs):
    content = probs.read_bytes()
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1 << (at % 8)
        probs.write_bytes(flipped)
        with pytest.raises(ValueError, match=r"p\.parquet is damaged"):
            predictions.read(probs, "val")


def test_other_readers_of_parquet_read_our_predictions(probs):
    assert pq.read_table(probs)["x"].to_pylist() == [0.25, 0.5]


def test_a_parquet_file_without_digest_is_refused(probs):
    pq.write_table(pq.read_table(probs), probs)
    with pytest.raises(ValueError, match=r"p\.parquet is damaged \(its content .* it says 'none'"):
        predictions.read(probs, "val")


def sealed(path, table, **options):
    pq.write_table(table, path, **options)
    path.write_bytes(parquet.sealed(path.read_bytes()))
    return path


def test_a_parquet_file_of_too_many_bytes_is_refused_unread(probs, monkeypatch):
    monkeypatch.setattr(parquet, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match=r"p\.parquet has \d+ bytes, expected at most 100; is it"):
        parquet.read(probs)


def test_a_table_of_too_many_cells_is_refused_unread(tmp_path):
    many = pa.nulls(3 * 10**6)
    path = sealed(tmp_path / "p.parquet", pa.table({str(i): many for i in range(100)}))
    assert path.stat().st_size < 2**20
    with pytest.raises(ValueError, match="3000000 rows of 100 columns, expected at most 268435456"):
        parquet.read(path)


def test_a_parquet_file_packed_by_zstd_is_refused(tmp_path):
    table = pa.table({"a": [b"0" * 10**6]})
    path = sealed(tmp_path / "p.parquet", table, compression="zstd")
    with pytest.raises(ValueError, match=r"packed by \['ZSTD'\], expected \['SNAPPY', 'UNCOMP"):
        parquet.read(path)


@pytest.mark.parametrize("column", [lambda n, text: [text] * n, lambda n, text: [[text]] * n])
def test_a_long_name_that_many_rows_repeat_is_refused(tmp_path, monkeypatch, column):
    monkeypatch.setattr(parquet, "MAX_TEXT_BYTES", 10**6)
    path = sealed(tmp_path / "p.parquet", pa.table({"n": column(1001, "x" * 1000)}))
    with pytest.raises(ValueError, match="n of 1001000 bytes, expected at most 1000000"):
        parquet.read(path)


def test_predictions_of_other_types_are_refused(tmp_path):
    columns = {"clip_id": ["a"], "segment": pa.array([0], pa.int32()), "split": ["val"], "x": ["1"]}
    parquet.write(tmp_path / "p.parquet", pa.table(columns))
    with pytest.raises(ValueError, match=r"has columns of .*'string'.*, expected .*'double'"):
        predictions.read(tmp_path / "p.parquet", "val")


def test_predictions_with_empty_cells_are_refused(tmp_path):
    columns = {"clip_id": ["a"], "segment": pa.array([0], pa.int32()), "split": ["val"]}
    table = pa.table(columns | {"x": pa.array([None], pa.float64())})
    parquet.write(tmp_path / "p.parquet", table)
    with pytest.raises(ValueError, match=r"p\.parquet has 1 empty cells, expected none"):
        predictions.read(tmp_path / "p.parquet", "val")


def test_pseudo_labels_without_their_classes_are_refused(tmp_path):
    table = pa.table([["a"], [0], [["dog"]], [["car"]]], schema=pseudo_labels.SCHEMA)
    parquet.write(tmp_path / "p.parquet", table)
    with pytest.raises(ValueError, match=r"names no classes of \['events', 'objects'\]"):
        pseudo_labels.classes(tmp_path / "p.parquet")


def test_a_pseudo_label_that_is_no_class_is_refused(tmp_path):
    labels = {"events": [["dog"]], "objects": [["car"]]}
    pseudo_labels.write(
        tmp_path / "p.parquet", ["a"], [0], labels, {"events": ["cat"], "objects": ["car"]}
    )
    with pytest.raises(ValueError, match=r"has labels \['dog'\] that are none of its 1"):
        pseudo_labels.read(tmp_path / "p.parquet", ["a"], np.array([1]))


# csv


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../a.wav",
        "audio/../../a.wav",
        "audio/..",
        "C:a.wav",
        "a\\..\\..\\b.wav",
        "\\\\host\\a.wav",
        "a\x00b",
        "a\nb",
        "",
    ],
)
def test_a_manifest_names_no_file_outside_the_root(tmp_path, path):
    manifest.write(tmp_path / "media.csv", manifest.MEDIA, [MEDIA_ROW | {"video": path}])
    with pytest.raises(ValueError, match=r"media\.csv:2 has video .*, expected a relative posix"):
        manifest.read(tmp_path / "media.csv", manifest.MEDIA)


@pytest.mark.parametrize("path", ["a.wav", "a/b.wav", "a..b/..c.wav", "...", "ä b/x"])
def test_a_manifest_names_files_inside_the_root(tmp_path, path):
    manifest.write(tmp_path / "media.csv", manifest.MEDIA, [MEDIA_ROW | {"video": path}])
    assert manifest.read(tmp_path / "media.csv", manifest.MEDIA)[0]["video"] == path


@pytest.mark.parametrize(
    ("column", "cell"), [("fold", "tes"), ("audio_sha256", "0" * 63), ("video_sha256", "F" * 64)]
)
def test_a_cell_that_cannot_be_is_refused(tmp_path, column, cell):
    manifest.write(tmp_path / "media.csv", manifest.MEDIA, [MEDIA_ROW | {column: cell}])
    with pytest.raises(ValueError, match=rf"media\.csv:2 has {column} '{cell}', expected"):
        manifest.read(tmp_path / "media.csv", manifest.MEDIA)


def test_a_clip_that_a_manifest_has_twice_is_refused(tmp_path):
    manifest.write(tmp_path / "media.csv", manifest.MEDIA, [MEDIA_ROW, MEDIA_ROW])
    with pytest.raises(ValueError, match=r"media\.csv:3 has 'a' of line 2 again, expected each"):
        manifest.read(tmp_path / "media.csv", manifest.MEDIA)


def test_a_manifest_without_a_digest_is_refused(tmp_path):
    path = tmp_path / "media.csv"
    path.write_text(f"{','.join(manifest.MEDIA)}\n")
    with pytest.raises(ValueError, match=r"media\.csv has no digest as the name of its last col"):
        manifest.read(path, manifest.MEDIA)


def test_every_flipped_bit_of_labels_is_found(tmp_path):
    path = tmp_path / "labels_test.csv"
    row = {"clip_id": "a", "scene_label": "bus", "city": "x", "location": "x-1", "split": "test"}
    manifest.write(path, manifest.LABELS, [row])
    content = path.read_bytes()
    for at in range(len(content)):
        for bit in range(8):
            path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
            with pytest.raises(ValueError, match=r"labels_test\.csv (is damaged|has no digest)"):
                manifest.read(path, manifest.LABELS)


def test_a_table_that_is_cut_off_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",".join(truth.COLUMNS))
    with pytest.raises(ValueError, match=r"t\.csv is cut off in its last line; correct it"):
        truth.read(path)


def test_a_table_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\n")
    with pytest.raises(ValueError, match=r"t\.csv is no csv in UTF-8 \('utf-8' codec.*correct it"):
        truth.read(tmp_path / "t.csv")


def test_truth_of_your_own_needs_no_digest_and_that_of_the_demo_has_one(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("clip_id,second,events,objects\na,0,horn;bell,\n")
    own = truth.read(path)
    assert own == {("a", 0): {"events": {"horn", "bell"}, "objects": set()}}
    path.write_bytes(truth.sealed(path.read_bytes()))
    assert truth.read(path) == own
    path.write_bytes(path.read_bytes().replace(b"bell", b"ball"))
    with pytest.raises(ValueError, match=r"t\.csv is damaged \(its content does not have the sha"):
        truth.read(path)


def test_predictions_under_the_name_of_another_system_are_refused(tmp_path):
    rows = predictions.Predictions(["a"], [0], np.ones((1, 1)), ("bus",))
    predictions.write(tmp_path / "p/one.parquet", {"val": rows})
    (tmp_path / "p/other.parquet").write_bytes((tmp_path / "p/one.parquet").read_bytes())
    with pytest.raises(ValueError, match=r"other\.parquet was written as p/one, expected p/other"):
        predictions.read(tmp_path / "p/other.parquet", "val")


@pytest.mark.parametrize("second", ["", "-1", "1.5", "٣", "9" * 5000])
def test_a_second_that_is_no_number_is_refused(tmp_path, second):
    row = {"clip_id": "a", "second": second, "events": "", "objects": ""}
    manifest.write(tmp_path / "t.csv", truth.COLUMNS, [row])
    with pytest.raises(ValueError, match=r"t\.csv:2 has second .*, expected a whole number"):
        truth.read(tmp_path / "t.csv")


def test_a_second_that_is_there_twice_is_refused(tmp_path):
    row = {"clip_id": "a", "second": "1", "events": "", "objects": ""}
    manifest.write(tmp_path / "t.csv", truth.COLUMNS, [row, row])
    with pytest.raises(ValueError, match=r"t\.csv:3 has second 1 of 'a' again"):
        truth.read(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("module", "read"),
    [
        (manifest, lambda path: manifest.read(path, manifest.MEDIA)),
        (prediction_tables, prediction_tables.read),
    ],
)
def test_a_table_of_too_many_bytes_is_refused_unread(tmp_path, monkeypatch, module, read):
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    (tmp_path / "x.csv").write_text("x" * 11)
    with pytest.raises(ValueError, match=r"x\.csv has 11 bytes, expected at most 10; is it a tabl"):
        read(tmp_path / "x.csv")


def test_a_submission_of_too_many_bytes_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(submission, "MAX_BYTES", 10)
    (tmp_path / "x.csv").write_text("x" * 11)
    ((kind, where),) = submission.check(tmp_path / "x.csv", names=[])
    assert kind == "no text table"
    assert "x.csv has 11 bytes, expected at most 10" in where


def test_a_number_too_long_for_a_second_is_part_of_the_clips_name(tmp_path):
    name = "kitchen_1_" + "9" * 30
    (tmp_path / "p.csv").write_text(f"filename_audio,x,y\n{name}.wav,0.5,0.5\n")
    table = prediction_tables.read(tmp_path / "p.csv")
    assert (table.clip_id, table.segment) == ([name], None)
