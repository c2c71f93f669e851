"""Plain YAML 1.2, read as DVC reads it."""

from pathlib import Path

import pytest
from dvc.utils.serialize import load_yaml

from avsc import params
from avsc.params import yaml_file

ROOT = Path(__file__).parents[2]


@pytest.fixture
def write(tmp_path):
    def written(text, name="params.yaml"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return written


def test_a_dotted_key_descends(write):
    root = write("index: {columns: {audio: sound}}")
    assert params.load("index.columns.audio", root=root) == "sound"


def test_what_is_loaded_may_be_changed_without_effect_on_the_next_reader(write):
    root = write("index: {columns: {audio: sound}}")
    params.load("index", root=root).clear()
    assert params.load("index.columns.audio", root=root) == "sound"


def test_a_change_of_the_file_is_seen(write):
    assert params.load("seed", root=write("seed: 1")) == 1
    assert params.load("seed", root=write("seed: 2")) == 2


@pytest.mark.parametrize(
    ("key", "there"),
    [
        ("train.late", r"in place of 'late' it has \['early'\]"),
        ("train.erly", r"in place of 'erly' it has \['early'\]; did you mean early\?"),
        ("seed.x", "it has 1"),
    ],
)
def test_a_missing_key_is_named_beside_what_is_there(write, key, there):
    with pytest.raises(KeyError, match=there):
        params.load(key, root=write("seed: 1\ntrain: {early: 1}"))


def test_studies_are_read_from_their_own_file(write):
    write("seed: 1")
    root = write("study: {one: {seeds: [1]}}", "studies.yaml")
    assert params.names("study", root=root) == ["one"]
    assert params.load("study.one.seeds", root=root) == [1]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("params.yaml", "seed: 1\nstudy: {}\n", r"params\.yaml:2: move study: to studies\.yaml"),
        ("studies.yaml", "study: {}\nseed: 1\n", r"studies\.yaml:2: .*move seed: to params\.yaml"),
        ("studies.yaml", "- 1\n", r"studies\.yaml: expected sections, got \[1\]"),
    ],
)
def test_a_section_in_the_other_file_is_refused_with_its_line(write, name, text, message):
    write("seed: 1")
    write("study: {}", "studies.yaml")
    with pytest.raises(params.ParamsError, match=message):
        params.load("seed", root=write(text, name))


@pytest.mark.parametrize(
    "text",
    ["1e-05", "1e-3", "010", "0o17", "1_000", "yes", "on", "12:30", "null", "~", "5e-6", "+.5"],
)
def test_a_scalar_has_the_value_that_dvc_reads(write, text):
    root = write(f"index:\n  root: {text}\n")
    found = params.load("index.root", root=root)
    assert found == load_yaml(root / "params.yaml")["index"]["root"]
    assert type(found) is type(load_yaml(root / "params.yaml")["index"]["root"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x {lr: 1}\nb: 1", r"params\.yaml:1: anchor &x\n.*write the values out"),
        ("b: 1\na: &x [1]\nc: *x", r"params\.yaml:2: anchor &x"),
        ("a: {lr: 1}\nb:\n  <<: {lr: 2}", r"params\.yaml:3: merge <<"),
        ("seed: &a [*a]", "anchor &a"),
        ("seed: " + "[" * 5000, "not valid YAML"),
        ("seed: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("seed: 2024-13-45", "not valid YAML"),
        ("seed: [1, 2", r"params\.yaml:2: not valid YAML"),
        ("seed: 1\nseed: 2", r"params\.yaml:2: not valid YAML: .*duplicate key"),
        (b"seed: \xff", "save it as UTF-8"),
        ("a: 1\n" * 300_000, "has 1500000 bytes, expected at most 1048576; is it YAML"),
        ("", "expected sections, got null"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_line(write, text, message):
    with pytest.raises(params.ParamsError, match=message):
        params.load("seed", root=write(text))


def test_anchors_that_stand_for_a_billion_values_are_refused_at_once(write):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(params.ParamsError, match="9: anchor &a8"):
        params.load("seed", root=write("\n".join([*lines, "seed: 1"])))


def test_a_missing_params_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"params\.yaml is not there; run this in the fol"):
        params.load("seed", root=tmp_path)


def test_every_key_knows_its_line(write):
    file = yaml_file.read(write("a: 1\nb:\n  c: {d: 2}\n  e:\n    - 1\n    - 2\n") / "params.yaml")
    lines = {(): 1, ("b",): 2, ("b", "c", "d"): 3, ("b", "e", 1): 6, ("b", "c", "new"): 3}
    assert {at: file.line(at) for at in lines} == lines


def test_the_active_profile_is_the_demo():
    for name in ("params.yaml", "studies.yaml"):
        assert (ROOT / name).read_text() == (ROOT / "params/demo" / name).read_text()
