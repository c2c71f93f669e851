import subprocess
import sys

import huggingface_hub.constants
import numpy as np
import pytest
import soxr
import torch
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

import avsc.encoders
from avsc.artifacts import weights
from avsc.encoders import _ast
from avsc.encoders._ast import POSITION, cut_position
from avsc.encoders.ast import TINY

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 2, 16000)).astype(np.float32)


def create(**params):
    return avsc.encoders.create("ast", **{**TINY, **params})


def lengthened(state, times):
    """Return a state dict whose position embedding spans `times` columns of random numbers."""
    width = state[POSITION].shape[-1]
    position = torch.randn(1, 2 + 12 * times, width, generator=torch.Generator().manual_seed(0))
    return {**state, POSITION: position}


@pytest.fixture
def checkpoint(tmp_path):
    """Return a small checkpoint as transformers saves it, and its folder."""
    torch.manual_seed(0)
    config = ASTConfig(**TINY["config"], id2label={0: "bell", 1: "horn", 2: "wind", 3: "engine"})
    net = ASTForAudioClassification(config).eval()
    torch.nn.init.normal_(net.audio_spectrogram_transformer.embeddings.position_embeddings)
    net.save_pretrained(tmp_path)
    return net, tmp_path


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))


@pytest.mark.parity
@pytest.mark.parametrize("seconds", [1, 10])
@pytest.mark.parametrize("sound", ["noise", "sine", "quiet", "offset", "silence", "square"])
def test_the_front_end_is_transformers(sound, seconds):
    t = np.arange(seconds * 16000) / 16000
    noise = np.random.default_rng(0).uniform(-1, 1, len(t))
    wave = {
        "noise": noise,
        "sine": 0.9 * np.sin(2 * np.pi * 1000 * t),
        "quiet": 1e-4 * noise,
        "offset": 0.1 * noise + 0.5,
        "silence": 0 * t,
        "square": np.sign(np.sin(2 * np.pi * 50.3 * t)),
    }[sound].astype(np.float32)
    config = {**TINY["config"], "max_length": 1024}
    found = create(scope="clip", config=config).prepare(np.stack([wave, wave])[None])[0]
    expected = ASTFeatureExtractor()(wave, sampling_rate=16000)["input_values"][0]
    assert found.shape == (98 + 100 * (seconds - 1), 128)
    np.testing.assert_allclose(found, expected[: len(found)], atol=1e-5)


@pytest.mark.parity
def test_a_sound_that_fills_the_grid_gives_what_transformers_gives(checkpoint):
    net, folder = checkpoint  # two seconds are 198 frames, and 198 or 208 give 19 or 20 columns
    tagger = create(name=str(folder), weights="pretrained", config=None, classes=None)
    frames = torch.randn(2, 208, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        embedding, logits = tagger.model(frames)
        expected = net(frames).logits
        pooled = net.audio_spectrogram_transformer(frames).pooler_output
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(embedding, pooled)


def test_a_checkpoint_in_a_folder_brings_its_classes(checkpoint):
    _, folder = checkpoint
    tagger = create(name=str(folder), weights="pretrained", config=None, classes=None)
    assert tagger.classes == ["bell", "horn", "wind", "engine"]
    assert tagger(NOISE)["logits"].shape == (3, 4)


def test_a_checkpoint_in_a_folder_and_its_state_dict_give_the_same_bits(checkpoint):
    net, folder = checkpoint
    from_folder = create(name=str(folder), weights="pretrained", config=None, classes=None)(NOISE)
    config = {**TINY["config"], "num_labels": 4}
    from_state = create(weights=net.state_dict(), config=config, classes=None)(NOISE)
    as_named = create(weights=net.state_dict(), name=str(folder), config=None, classes=None)(NOISE)
    for key, array in from_folder.items():
        np.testing.assert_array_equal(from_state[key], array)
        np.testing.assert_array_equal(as_named[key], array)


def test_a_state_dict_with_the_names_of_transformers_4_is_understood(checkpoint):
    net, _ = checkpoint
    old_names = {
        ".layers.": ".encoder.layer.",
        "attention.q_proj": "attention.attention.query",
        "attention.k_proj": "attention.attention.key",
        "attention.v_proj": "attention.attention.value",
        "attention.o_proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    }
    old = {}
    for name, tensor in net.state_dict().items():
        for new_name, old_name in old_names.items():
            name = name.replace(new_name, old_name)
        old[name] = tensor
    config = {**TINY["config"], "num_labels": 4}
    expected = create(weights=net.state_dict(), config=config, classes=None)(NOISE)
    found = create(weights=old, config=config, classes=None)(NOISE)
    np.testing.assert_array_equal(found["logits"], expected["logits"])


@pytest.mark.parity
def test_plain_network_has_bits_and_gradients_of_transformers():
    theirs = create()
    ours = create(weights=theirs.model.state_dict())
    assert isinstance(ours.model, _ast.Model)
    assert not isinstance(theirs.model, _ast.Model)
    for key, array in theirs(NOISE).items():
        np.testing.assert_array_equal(ours(NOISE)[key], array)
    gradients = []
    for model in (theirs.model, ours.model):
        embedding, logits = model.train()(theirs.prepare(NOISE))
        (embedding.sum() + logits.square().sum()).backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    torch.testing.assert_close(*gradients, rtol=0, atol=0)


@pytest.mark.parametrize("change", [{"hidden_act": "relu"}, {"num_labels": 3}])
def test_config_beyond_sizes_is_built_by_transformers(change):
    config = {**TINY["config"], **change}
    found = create(weights=create(config=config).model.state_dict(), config=config)
    assert not isinstance(found.model, _ast.Model)


def test_weights_of_half_precision_are_computed_in_single():
    halved = {name: tensor.half() for name, tensor in create().model.state_dict().items()}
    assert create(weights=halved)(NOISE)["embedding"].dtype == np.float32


def test_plain_weights_are_used_without_importing_transformers(tmp_path):
    weights.write(
        tmp_path / "weights/a.safetensors", create().model.state_dict(), classes=["a"] * 3
    )
    block = {**TINY, "encoder": "ast", "weights": "a.safetensors"}
    code = (
        "import sys; from pathlib import Path; from avsc import embedding; "
        f"embedding.create({block!r}, root=Path({str(tmp_path)!r})); "
        "assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_position_embedding_is_cut_to_the_middle_columns_of_each_band():
    # two tokens, then 2 bands of 5 columns; 3 columns start at 5 // 2 - 3 // 2 = 1
    position = torch.tensor([100, 101, 0, 1, 2, 3, 4, 10, 11, 12, 13, 14.0])[None, :, None]
    cut = cut_position(position, bands=2, times=3)
    assert cut.flatten().tolist() == [100, 101, 1, 2, 3, 11, 12, 13]


@pytest.mark.parametrize(("times", "start"), [(9, 46), (101, 0), (100, 0), (19, 41)])
def test_audiosets_grid_is_cut_where_the_authors_cut_it(times, start):
    # theirs, written for 101 columns: [50 - int(t_dim / 2) : 50 - int(t_dim / 2) + t_dim]
    position = torch.cat([torch.zeros(2), torch.arange(101.0).repeat(12)])[None, :, None]
    cut = cut_position(position, bands=12, times=times)[0, 2:, 0]
    assert cut.tolist() == list(range(start, start + times)) * 12


def test_a_longer_position_embedding_is_cut_when_it_is_loaded_as_when_it_is_used():
    state = lengthened(create().model.state_dict(), times=101)
    long = create(weights=state, config={**TINY["config"], "max_length": 1024})
    short = create(weights=state, config={**TINY["config"], "max_length": 98})
    assert short.model.state_dict()[POSITION].shape[1] == 2 + 12 * 9
    np.testing.assert_array_equal(long(NOISE)["logits"], short(NOISE)["logits"])


def test_a_shorter_position_embedding_does_not_fit():
    state = lengthened(create().model.state_dict(), times=9)
    with pytest.raises(ValueError, match=r"position_embeddings \(1, 110, 16\) for \(1, 242, 16\)"):
        create(weights=state)


def test_the_position_of_a_patch_matters():
    state = create().model.state_dict()
    moved = {**state, POSITION: state[POSITION].flip(1)}
    found = create(weights=moved)(NOISE)["embedding"]
    assert not np.allclose(found, create(weights=state)(NOISE)["embedding"], atol=1e-4)


def test_a_sound_longer_than_the_model_is_refused():
    with pytest.raises(ValueError, match="3 s give 298 frames, this AST takes 208; cut the sound"):
        create(scope="clip")(np.zeros((1, 2, 48000), np.float32))


def test_attention_is_the_fused_one():
    assert create().model.config._attn_implementation == "sdpa"


def test_random_tokens_and_positions_are_not_all_zero():
    state = create().model.state_dict()
    starts = [k for k in state if "token" in k or "position" in k]
    assert len(starts) == 3
    assert all(0.01 < state[k].std() < 0.03 for k in starts)


def test_an_unknown_key_of_the_config_is_refused():
    with pytest.raises(ValueError, match="config has hidden, which ASTConfig does not know"):
        create(config={"hidden": 16})


def test_pretrained_weights_take_no_other_config():
    with pytest.raises(ValueError, match="config is given, but weights: pretrained has that of"):
        create(weights="pretrained")


def test_as_many_classes_as_the_checkpoint_has_must_be_named(checkpoint):
    _, folder = checkpoint
    with pytest.raises(ValueError, match="3 classes are named, the checkpoint has 4"):
        create(name=str(folder), weights="pretrained", config=None)


def test_a_checkpoint_without_a_classifier_is_no_tagger(checkpoint, capfd):
    net, folder = checkpoint
    net.audio_spectrogram_transformer.save_pretrained(folder)
    capfd.readouterr()
    with pytest.raises(ValueError, match=r"classifier\.dense\.bias, .* missing"):
        create(name=str(folder), weights="pretrained", config=None, classes=None)
    assert capfd.readouterr().err == ""  # nor a table of transformers


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("pretrained", r"no pretrained 'MIT/ast.* or set weights: to a file"),
        ("random", r"no config of 'MIT/ast.* or set config: \(AST-base"),
    ],
)
def test_without_network_the_error_says_what_to_do(weights, message):
    with pytest.raises(FileNotFoundError, match=message):
        avsc.encoders.create("ast", weights=weights)


def test_sound_of_another_rate_is_resampled_to_16_khz():
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 2, 32000)).astype(np.float32)
    halved = np.stack([soxr.resample(row.T, 32000, 16000, quality="VHQ").T for row in x])
    found, expected = create(sample_rate=32000)(x), create()(halved)
    np.testing.assert_allclose(found["logits"], expected["logits"], atol=1e-4)
    assert found["embedding"].shape == expected["embedding"].shape
    with pytest.raises(ValueError, match="3 s give 298 frames, this AST takes 208; cut the sound"):
        create(scope="clip", sample_rate=32000)(np.zeros((1, 2, 96000), np.float32))
