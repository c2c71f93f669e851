import hashlib

import pytest
import torch

from avsc.artifacts import weights

STATE = {"layer.weight": torch.arange(4.0).reshape(2, 2)}


def test_weights_and_class_names_come_back(tmp_path):
    weights.write(tmp_path / "w.safetensors", STATE, classes=["bell", "wind"])
    state, classes = weights.read(tmp_path / "w.safetensors")
    assert torch.equal(state["layer.weight"], STATE["layer.weight"])
    assert classes == ["bell", "wind"]


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s}, lambda s: {"model": s}])
def test_state_dicts_of_torch_are_read_wrapped_or_not(tmp_path, wrap):
    torch.save(wrap({"module.layer.weight": STATE["layer.weight"]}), tmp_path / "w.pth")
    state, classes = weights.read(tmp_path / "w.pth")
    assert list(state) == ["layer.weight"]
    assert classes is None


def test_a_file_with_another_digest_is_refused(tmp_path):
    weights.write(tmp_path / "w.safetensors", STATE, classes=[])
    right = hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()
    weights.read(tmp_path / "w.safetensors", sha256=right)
    weights.read(tmp_path / "w.safetensors", sha256=right.upper())
    other = "00ff" * 16
    with pytest.raises(
        ValueError, match=f"has sha256 {right}, expected {other}; fetch the file again"
    ):
        weights.read(tmp_path / "w.safetensors", sha256=other)


@pytest.mark.parametrize("sha256", ["", "00ff", "sha256:" + "0" * 64])
def test_what_is_no_digest_is_refused(tmp_path, sha256):
    weights.write(tmp_path / "w.safetensors", STATE, classes=[])
    with pytest.raises(ValueError, match=f"sha256 is {sha256!r}, expected 64 hexadecimal digits"):
        weights.read(tmp_path / "w.safetensors", sha256=sha256)


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


def test_a_pickle_that_runs_code_is_refused_unrun(tmp_path):
    torch.save(Harmful(), tmp_path / "w.pth")
    with pytest.raises(
        ValueError,
        match=r"holds no weights that are safe to read \(its pickle asks to run \S*exec\)",
    ):
        weights.read(tmp_path / "w.pth")


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.complex64, torch.float8_e4m3fn])
def test_quantized_tensors_are_refused(tmp_path, dtype):
    weights.write(tmp_path / "w.safetensors", STATE | {"q": torch.ones(2).to(dtype)}, classes=[])
    with pytest.raises(
        ValueError, match=rf"q is {dtype} \(1 of {len(STATE) + 1} tensors\); .* not quantized"
    ):
        weights.read(tmp_path / "w.safetensors")


def test_something_else_than_a_state_dict_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"holds no state dict .* but <class 'list'>; save the"):
        weights.read(tmp_path / "w.pth")
    for kept, told in (({"epoch": 3, "net": STATE}, "'epoch', 'net'"), ({0: torch.ones(1)}, "0")):
        torch.save(kept, tmp_path / "w.pth")
        with pytest.raises(ValueError, match=f"but a dict of {told}; save the state dict alone"):
            weights.read(tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_a_truncated_file_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x00\x01")
    with pytest.raises(ValueError, match=name):
        weights.read(tmp_path / name)


def test_a_pickle_cut_off_within_a_number_is_named(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"J")  # a number of four bytes follows
    with pytest.raises(ValueError, match=r"w\.pth holds no weights that are safe to read"):
        weights.read(tmp_path / "w.pth")


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"put the file there and run `dvc add .*`.*or set weights: pre"
    ):
        weights.read(tmp_path / "w.pth")


def test_the_digest_of_a_state_is_of_names_types_shapes_and_values():
    digest = weights.state_digest(STATE)
    assert digest == weights.state_digest({"layer.weight": STATE["layer.weight"].clone()})
    turned = STATE["layer.weight"].T.contiguous().T  # other strides, the same values
    assert digest == weights.state_digest({"layer.weight": turned})
    others = [
        {"other.weight": STATE["layer.weight"]},
        {"layer.weight": STATE["layer.weight"].double()},
        {"layer.weight": STATE["layer.weight"].flatten()},
        {"layer.weight": STATE["layer.weight"] + 1},
    ]
    assert len({digest, *map(weights.state_digest, others)}) == 5


def test_the_digest_of_a_state_takes_scalars_and_halves():
    state = {"steps": torch.tensor(3), "half": torch.ones(2, dtype=torch.bfloat16)}
    assert weights.state_digest(state) == weights.state_digest(dict(reversed(state.items())))


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\n---\n# Model\n", "mit"),
        ("---\nlicense: [mit, bsd]\n---\n", "mit, bsd"),
        ("---\nlicense: [\n---\n", None),
        ("---\nlicense: mit\nauthor: Ren\xe9\n---\n", "mit"),
        ("---\ntags: [a]\n---\n", None),
        ("# Model\n---\nlicense: mit\n---\n", None),
        ("", None),
    ],
)
def test_a_licence_is_what_the_head_of_the_model_card_states(tmp_path, card, licence):
    (tmp_path / "README.md").write_text(card, "latin-1")
    assert weights.licence(str(tmp_path), None) == licence


def test_a_folder_without_a_model_card_states_no_licence(tmp_path):
    assert weights.licence(str(tmp_path), None) is None


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_prefixes_of_wrapped_networks_are_dropped_alike(tmp_path, name, prefix):
    state = {f"{prefix}layer.weight": STATE["layer.weight"]}
    if name == "w.pth":
        torch.save(state, tmp_path / name)
    else:
        weights.write(tmp_path / name, state, classes=[])
    assert list(weights.read(tmp_path / name)[0]) == ["layer.weight"]


def test_misspelled_file_of_weights_is_answered_with_the_nearest(tmp_path):
    weights.write(tmp_path / "places.safetensors", STATE, classes=[])
    with pytest.raises(FileNotFoundError, match=r"no weights at .*; did you mean 'places'\?"):
        weights.read(tmp_path / "plcaes.safetensors")
