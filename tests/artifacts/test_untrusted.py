"""Files of strangers: what a reader refuses before it believes it."""

import json
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.torch import save

import avsc
from avsc.artifacts import (
    manifest,
    models,
    parquet,
    prediction_tables,
    predictions,
    pseudo_labels,
    shard,
    truth,
)
from avsc.artifacts.predictions import Predictions

ROOT = Path(avsc.__file__).parents[1]
ROWS = np.arange(600, dtype=np.float32).reshape(100, 6)
MEDIA_ROW = {
    "clip_id": "a",
    "fold": "train",
    "audio": "audio/a.wav",
    "video": "video/a.mp4",
    "audio_sha256": "0" * 64,
    "video_sha256": "f" * 64,
}


def test_no_code_of_ours_unpickles():
    sources = [p for room in ("avsc", "stages", "bench") for p in (ROOT / room).rglob("*.py")]
    for path in sources:
        text = path.read_text("utf-8")
        for forbidden in ("import pickle", "joblib", "allow_pickle=True", "yaml.load("):
            assert forbidden not in text, f"{path} has {forbidden}"
        assert "np.load" not in text or "allow_pickle=False" in text, path
        assert text.count("torch.load(") == text.count("weights_only=True"), path


# shards


@pytest.fixture
def path(tmp_path):
    clips = {c: (f"key-{c}", {"embedding": ROWS}) for c in "ab"}
    shard.write(tmp_path / "k.h5", clips, about={}, quarantined={})
    return tmp_path / "k.h5"


def altered(path, change):
    with h5py.File(path, "r+") as f:
        change(f)
    return path


def replaced(name, **options):
    def change(f):
        data = f[name][:]
        del f[name]
        f.create_dataset(name, data=data, **options)

    return change


def refused(path, message):
    with pytest.raises(ValueError, match=rf"k\.h5 .*{message}"), shard.reading(path) as s:
        s.clip("a")


def linked(link):
    def change(f):
        del f["array/embedding"]
        f["array/embedding"] = link

    return change


def test_a_shard_that_links_to_another_file_is_refused(path, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as f:
        f["rows"] = np.ones((200, 6), np.float32)
    link = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/rows")
    refused(altered(path, linked(link)), "array/embedding is a link to elsewhere")


def test_a_shard_with_a_soft_link_is_refused(path):
    link = h5py.SoftLink("/count/embedding")
    refused(altered(path, linked(link)), "array/embedding is a link to elsewhere")


def test_a_group_that_is_a_link_is_refused(path, tmp_path):
    def change(f):
        del f["array"]
        f["array"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/")

    refused(altered(path, change), "array is a link to elsewhere")


def test_a_shard_whose_rows_lie_in_another_file_is_refused(path, tmp_path):
    (tmp_path / "secret.bin").write_bytes(bytes(200 * 24))

    def change(f):
        del f["array/embedding"]
        external = [(str(tmp_path / "secret.bin"), 0, 200 * 24)]
        f.create_dataset("array/embedding", (200, 6), np.float32, external=external)

    refused(altered(path, change), "keeps its rows in other files")


def test_a_virtual_data_set_is_refused(path, tmp_path):
    def change(f):
        del f["array/embedding"]
        layout = h5py.VirtualLayout((200, 6), np.float32)
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "rows", (200, 6), np.float32)
        f.create_virtual_dataset("array/embedding", layout)

    refused(altered(path, change), "keeps its rows in other files")


def test_a_compressed_data_set_is_refused_however_small(path):
    change = replaced("array/embedding", compression="gzip", fletcher32=True)
    refused(altered(path, change), r"has filters \[.*\], expected a checksum alone")


def test_rows_without_checksum_are_refused(path):
    refused(altered(path, replaced("array/embedding")), r"has filters \[\], expected a checksum")


def declares(shape, chunks):
    def change(f):
        del f["array/embedding"]
        f.create_dataset("array/embedding", shape, np.float32, chunks=chunks, fletcher32=True)
        f["count/embedding"][:] = shape[0] // 2

    return change


def test_a_data_set_that_declares_more_than_the_file_holds_is_refused(path):
    change = declares((2**36, 6), (100, 6))
    refused(altered(path, change), r"declares 1649267441664 bytes in a file of \d+\)")


def test_rows_that_were_never_written_are_refused_and_not_read_as_zeros(path):
    refused(altered(path, declares((200, 6), (200, 6))), "lacks some of its 1 chunks")


def test_texts_of_free_length_are_refused(path):
    def change(f):
        del f["clip_id"]
        f.create_dataset("clip_id", data=["a", "b"], dtype=h5py.string_dtype())

    refused(altered(path, change), "clip_id is of object, expected numbers or texts of fixed len")


def test_an_attribute_of_free_length_is_refused_unread(path):
    def change(f):
        f.attrs["scope"] = "segment"

    refused(altered(path, change), "attribute 'scope' of object, expected a text of fixed length")


def test_a_file_of_an_hdf5_version_without_checksums_is_refused(tmp_path):
    with h5py.File(tmp_path / "k.h5", "w", libver=("earliest", "v108")) as f:
        f["clip_id"] = [1]
    refused(tmp_path / "k.h5", "starts with .*, expected")


@pytest.mark.parametrize("count", [[100, 99], [-100, 300], [200], [2**62, 2**62]])
def test_counts_that_do_not_divide_the_rows_are_refused(path, count):
    def change(f):
        del f["count/embedding"]
        f.create_dataset("count/embedding", data=np.array(count), fletcher32=True)

    refused(altered(path, change), "count/embedding does not divide its 200 rows among the clips")


def test_a_clip_that_is_there_twice_is_refused(path):
    def change(f):
        f["clip_id"][:] = np.array([b"a", b"a"])

    refused(altered(path, change), "a clip is there twice")


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


# models


@pytest.fixture
def model(tmp_path):
    import torch

    models.write(tmp_path / "m", {"w": torch.arange(3.0)}, {"head": "early", "hparams": {"k": 2}})
    return tmp_path / "m"


def test_a_model_comes_back_as_it_was_written(model):
    state, config = models.read(model)
    assert state["w"].tolist() == [0, 1, 2]
    assert config == {"head": "early", "hparams": {"k": 2}}


def test_weights_that_are_not_those_of_their_config_are_refused(model):
    import torch

    (model / "weights.safetensors").write_bytes(save({"w": torch.ones(3)}))
    with pytest.raises(ValueError, match=r"weights\.safetensors is damaged \(its sha256 is"):
        models.read(model)


def test_a_config_that_was_changed_is_refused(model):
    path = model / "config.json"
    path.write_text(path.read_text().replace('"k": 2', '"k": 3'))
    with pytest.raises(ValueError, match=r"config\.json is damaged \(its content has sha256"):
        models.read(model)


def test_a_config_without_digests_is_refused(model):
    (model / "config.json").write_text(json.dumps({"head": "early"}))
    with pytest.raises(ValueError, match=r"has not both of sha256, weights_sha256"):
        models.read(model)


def test_a_config_that_is_no_json_is_refused(model):
    (model / "config.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        models.read(model)


def test_a_model_without_weights_says_what_makes_them(model):
    (model / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"no weights\.safetensors .*`dvc repro train@m`"):
        models.read(model)


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


def test_a_manifest_cut_off_in_its_last_cell_is_refused(tmp_path):
    path = tmp_path / "media.csv"
    manifest.write(path, manifest.MEDIA, [MEDIA_ROW])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"media\.csv is cut off in its last line"):
        manifest.read(path, manifest.MEDIA)


def test_a_manifest_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "media.csv").write_bytes(b"\xff\xfe\n")
    with pytest.raises(ValueError, match=r"media\.csv is damaged \('utf-8' codec"):
        manifest.read(tmp_path / "media.csv", manifest.MEDIA)


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


def test_a_number_too_long_for_a_second_is_part_of_the_clips_name(tmp_path):
    name = "kitchen_1_" + "9" * 30
    (tmp_path / "p.csv").write_text(f"filename_audio,x,y\n{name}.wav,0.5,0.5\n")
    table = prediction_tables.read(tmp_path / "p.csv")
    assert (table.clip_id, table.segment) == ([name], None)
