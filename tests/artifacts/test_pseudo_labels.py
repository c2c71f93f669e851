import numpy as np
import pyarrow as pa
import pytest

from avsc.artifacts import parquet, pseudo_labels

CLASSES = {"events": ["bell", "wind", "horn"], "objects": ["tree", "car"]}


@pytest.fixture
def clips(tmp_path):
    labels = {"events": [["wind"], []], "objects": [["car", "tree"], ["car"]]}
    pseudo_labels.write(tmp_path / "p.parquet", ["a", "b"], [None, None], labels, CLASSES)
    return tmp_path / "p.parquet"


def test_labels_of_a_clip_stand_at_each_of_its_rows_in_the_order_asked_for(clips):
    hot = pseudo_labels.read(clips, ["b", "a"], np.array([1, 2]))
    np.testing.assert_array_equal(hot["events"], [[0, 0, 0], [0, 1, 0], [0, 1, 0]])
    np.testing.assert_array_equal(hot["objects"], [[0, 1], [1, 1], [1, 1]])


def test_labels_of_seconds_go_to_their_second(tmp_path):
    labels = {"events": [["wind"], ["bell"]], "objects": [[], ["car"]]}
    pseudo_labels.write(tmp_path / "p.parquet", ["a", "a"], [1, 0], labels, CLASSES)
    hot = pseudo_labels.read(tmp_path / "p.parquet", ["a"], np.array([2]))
    np.testing.assert_array_equal(hot["events"], [[1, 0, 0], [0, 1, 0]])


def test_a_missing_clip_is_named(clips):
    with pytest.raises(ValueError, match=r"lacks 1 of 2 rows, the first \('z', None\)"):
        pseudo_labels.read(clips, ["a", "z"], np.array([1, 1]))


def test_a_clip_with_more_labelled_seconds_than_rows_is_named(tmp_path):
    labels = {"events": [["wind"], ["bell"], []], "objects": [[], ["car"], []]}
    path = tmp_path / "p.parquet"
    pseudo_labels.write(path, ["b", "a", "a"], [0, 0, 1], labels, CLASSES)
    with pytest.raises(ValueError, match=r"of 2 seconds of 'a', .* encoders 1 rows \(1 such clips"):
        pseudo_labels.read(path, ["a", "b"], np.array([1, 1]))


def test_another_table_is_refused(tmp_path):
    parquet.write(tmp_path / "p.parquet", pa.table({"clip_id": ["a"]}))
    with pytest.raises(ValueError, match=r"has columns \{'clip_id': 'string'\}, expected"):
        pseudo_labels.read(tmp_path / "p.parquet", ["a"], np.array([1]))
