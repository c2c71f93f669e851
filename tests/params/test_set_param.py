"""`dvc exp run -S key=value` changes what it names and nothing else, for every key."""

import shutil
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides

from avsc import params
from avsc.params.experiments import Experiment
from tests import params_files

ROOT = Path(__file__).parents[2]
FOLDERS = {p.parent.name: p.parent for p in sorted(ROOT.glob("params/*/params.yaml"))}
FOLDERS["toy"] = ROOT / "tests/pipeline/toy"
FILES = {"params": "params.yaml", "study": "studies.yaml"}
CASES = [(name, part) for name in FOLDERS for part in FILES]


def leaves(value, at=()):
    """Yield the keys and the value of everything below that is no mapping."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*at, key))
    else:
        yield at, value


def other(value):
    """Return another value, and how it is written after `-S key=`."""
    match value:
        case bool():
            return not value, str(not value).lower()
        case int() | float():
            return 2 * value + 1000, repr(2 * value + 1000)
        case list():
            return [7, "x"], "[7,x]"
        case _:
            return "changed", "changed"


def copied(folder, to):
    for file in FILES.values():
        shutil.copy(folder / file, to)


def blocks(tree):
    """Yield the keys of each block: a section, or an entry of one."""
    for section, entries in tree.items():
        if isinstance(entries, dict) and all(isinstance(e, dict | list) for e in entries.values()):
            yield from ((section, name) for name in entries)
        else:
            yield (section,)


def changed(before, after):
    return {at for at in before.keys() | after.keys() if before.get(at) != after.get(at)}


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "part"), CASES)
def test_a_value_that_is_set_changes_its_block_and_no_other(profile, part, tmp_path):
    """All keys of a section are set in one go, of the toy those of each block apart."""
    copied(FOLDERS[profile], tmp_path)
    path = tmp_path / FILES[part]
    text, tree = path.read_text(), params_files.read(tmp_path)
    before = dict(leaves(tree))
    own = [b for b in blocks(tree) if (b[0] == "study") == (part == "study")]
    groups = own if profile == "toy" else sorted({b[:1] for b in own})
    for group in groups:
        wanted = {at: other(v) for at, v in before.items() if at[: len(group)] == group}
        path.write_text(text)
        apply_overrides(path, [f"{'.'.join(at)}={new}" for at, (_, new) in wanted.items()])
        after = dict(leaves(params_files.read(tmp_path)))
        assert changed(before, after) == wanted.keys()
        assert {at: after[at] for at in wanted} == {at: new for at, (new, _) in wanted.items()}


@pytest.mark.parametrize("written", ["1e-05", "0.00001", "5e-4", "1"])
def test_a_number_that_is_set_is_a_number_for_the_stage(tmp_path, written):
    copied(FOLDERS["demo"], tmp_path)
    apply_overrides(tmp_path / "params.yaml", [f"train.early.fit.lr={written}"])
    block = params.read(Experiment, "train.early", root=tmp_path)
    assert block.fit["lr"] == float(written)
    assert params.load("train.gated.fit.lr", root=tmp_path) == 0.001


def test_text_in_place_of_a_number_is_refused_with_its_key(tmp_path):
    copied(FOLDERS["demo"], tmp_path)
    apply_overrides(tmp_path / "params.yaml", ["train.early.fit.lr=1e-05x"])
    message = r"params\.yaml:\d+: train\.early\.fit\.lr: expected a number above 0, got '1e-05x'"
    with pytest.raises(params.ParamsError, match=message):
        params.load("train.early", Experiment, root=tmp_path)
