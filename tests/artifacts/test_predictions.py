import numpy as np
import pytest

from avsc.artifacts import predictions
from avsc.artifacts.predictions import Predictions

VAL = Predictions(["a", "a"], [0, 1], np.array([[0.25, 0.75], [1.0, 0.0]]), ("park", "tram"))
TEST = Predictions(["b", "b"], [0, 1], np.array([[0.5, 0.5], [1 / 3, 2 / 3]]), ("park", "tram"))


def test_each_split_comes_back_to_the_last_bit(tmp_path):
    predictions.write(tmp_path / "p.parquet", {"val": VAL, "test": TEST})
    back = predictions.read(tmp_path / "p.parquet", "test")
    np.testing.assert_array_equal(back.probs, TEST.probs)
    assert (back.clip_id, back.segment, back.scenes) == (TEST.clip_id, [0, 1], TEST.scenes)


def test_predictions_of_whole_clips_have_no_segment(tmp_path):
    whole = Predictions(["a", "b"], None, VAL.probs, VAL.scenes)
    predictions.write(tmp_path / "p.parquet", {"test": whole})
    assert predictions.read(tmp_path / "p.parquet", "test").segment is None


def test_a_probability_that_is_not_finite_is_never_written(tmp_path):
    broken = Predictions(["a", "b"], [0, 0], np.array([[0.5, 0.5], [np.nan, 1]]), ("x", "y"))
    with pytest.raises(ValueError, match="1 probabilities are not finite, first of clip 'b'"):
        predictions.write(tmp_path / "p.parquet", {"test": broken})
    assert not (tmp_path / "p.parquet").exists()


def test_a_split_that_is_not_there_is_named(tmp_path):
    predictions.write(tmp_path / "p.parquet", {"val": VAL})
    with pytest.raises(ValueError, match="no predictions of split 'test'"):
        predictions.read(tmp_path / "p.parquet", "test")


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "p.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(ValueError, match=r"p\.parquet is damaged"):
        predictions.read(tmp_path / "p.parquet", "test")


def test_a_scene_cannot_be_called_like_a_column():
    with pytest.raises(ValueError, match=r"scenes \['segment'\] have names of other columns"):
        predictions.check_scenes(["park", "segment"])
