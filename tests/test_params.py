from pathlib import Path

import pytest

from avsc import params

ROOT = Path(__file__).parents[1]


def test_a_dotted_key_descends(tmp_path):
    (tmp_path / "p.yaml").write_text("train: {early: {lr: 0.1}}")
    assert params.load("train.early.lr", tmp_path / "p.yaml") == 0.1


@pytest.mark.parametrize(
    ("key", "there"),
    [("train.late", r"in place of 'late' it has \['early'\]"), ("seed.x", "it has 1")],
)
def test_a_missing_key_is_named_beside_what_is_there(tmp_path, key, there):
    (tmp_path / "p.yaml").write_text("seed: 1\ntrain: {early: 1}")
    with pytest.raises(KeyError, match=there):
        params.load(key, tmp_path / "p.yaml")


def test_the_active_profile_is_the_demo():
    assert (ROOT / "params.yaml").read_text() == (ROOT / "params/demo.yaml").read_text()
