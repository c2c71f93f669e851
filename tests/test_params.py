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


def refused(tmp_path, text, message):
    (tmp_path / "p.yaml").write_bytes(text)
    with pytest.raises(ValueError, match=rf"p\.yaml .*{message}"):
        params.load("seed", tmp_path / "p.yaml")


def test_a_small_file_whose_aliases_stand_for_a_billion_values_is_refused(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    refused(tmp_path, "\n".join([*lines, "seed: 1"]).encode(), r"\d{10} values with aliases writ")


def test_a_merge_that_multiplies_is_refused(tmp_path):
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 9)]
    refused(tmp_path, "\n".join(lines).encode(), "values with aliases written out, at most 100000")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"seed: &a [*a]", "values with aliases written out, at most 100000"),
        (b"seed: " + b"[" * 5000, "is no YAML of params"),
        (b"seed: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        (b"seed: 2024-13-45", "is no YAML of params"),
        (b"seed: [1, 2", "is no YAML of params .*correct it"),
        (b"seed: \xff", "'utf-8' codec can't decode"),
        (b"a: 1\n" * 300_000, "has 1500000 bytes, expected at most 1048576; is it YAML"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_by_name(tmp_path, text, message):
    refused(tmp_path, text, message)


def test_an_alias_that_repeats_a_block_is_as_if_it_were_written_out(tmp_path):
    (tmp_path / "p.yaml").write_text("a: &a {fit: {lr: 0.1}}\nb: {<<: *a, seed: 2}")
    assert params.load("b", tmp_path / "p.yaml") == {"fit": {"lr": 0.1}, "seed": 2}


def test_a_missing_params_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"p\.yaml is not there; run this where dvc\.yaml"):
        params.load("seed", tmp_path / "p.yaml")
