"""Folders with a damaged config.json: an error names the file, never what a library raises."""

import json

import numpy as np
import pytest
import timm
import torch
from transformers import (
    ASTConfig,
    ASTForAudioClassification,
    ClapAudioConfig,
    Wav2Vec2Config,
    Wav2Vec2Model,
)

import avsc.encoders
from avsc.encoders import _transformers, ast, clap, timm_image, transformers_audio


@pytest.fixture
def folder(tmp_path):
    """Save a small network of an encoder; return how to load it with another config.json."""

    def save(encoder):
        if encoder == "ast":
            ASTForAudioClassification(ASTConfig(**ast.TINY["config"])).save_pretrained(tmp_path)
        elif encoder == "clap":
            clap.Tower(ClapAudioConfig(**clap.TINY["config"])).save_pretrained(tmp_path)
        elif encoder == "transformers_audio":
            config = Wav2Vec2Config(**transformers_audio.TINY["config"])
            Wav2Vec2Model(config).save_pretrained(tmp_path)
        else:
            kwargs = timm_image.TINY["model_kwargs"] | {"num_classes": 3}
            net = timm.create_model("convnext_atto", **kwargs)
            timm.models.save_for_hf(net, tmp_path, model_args=kwargs)
        path = tmp_path / "config.json"
        tree = json.loads(path.read_text())

        def load(text=None, **values):
            path.write_text(json.dumps(tree | values) if text is None else text)
            name, more = str(tmp_path), {}
            if encoder == "timm_image":
                name, more = f"local-dir:{tmp_path}", {"classes": ["a", "b", "c"]}
            return avsc.encoders.create(encoder, name=name, weights="pretrained", **more)

        return load

    return save


@pytest.mark.parametrize("encoder", ["ast", "clap", "timm_image", "transformers_audio"])
def test_a_config_that_is_no_object_of_json_is_refused(folder, encoder):
    load = folder(encoder)
    load()
    for text in ("", "{", "[]", "null", '"ast"', "7", "NaN", "[" * 100_000):
        with pytest.raises(ValueError, match=r"config\.json gives no .*; expected what .*: fetch"):
            load(text)


@pytest.mark.parametrize(
    ("encoder", "key", "value"),
    [
        ("ast", "hidden_size", [16]),
        ("ast", "hidden_size", "16"),
        ("ast", "hidden_size", 0),
        ("ast", "hidden_size", 10**30),
        ("ast", "hidden_size", 90_000),  # 10 ** 11 parameters
        ("ast", "num_hidden_layers", 10**30),
        ("ast", "num_attention_heads", -1),
        ("ast", "num_labels", 10**12),
        ("ast", "hidden_act", "sharp"),
        ("ast", "id2label", [1]),
        ("ast", "model_type", ["audio-spectrogram-transformer"]),
        ("ast", "num_hidden_layers", 10_000),
        ("ast", "transformers_weights", "other.safetensors"),  # not the file whose digest is known
        ("ast", "configuration_files", ["config.4.0.0.json"]),
        ("clap", "depths", 2),
        ("clap", "depths", ["a", "b"]),
        ("clap", "depths", [1, 10**9]),
        ("clap", "patch_stride", -1),
        ("clap", "spec_size", 0),
        ("clap", "model_type", None),
        ("transformers_audio", "hidden_size", 0),
        ("transformers_audio", "hidden_size", [16]),
        ("transformers_audio", "conv_dim", [8, 8]),
        ("transformers_audio", "conv_dim", [8] * 2000),
        ("transformers_audio", "transformers_weights", "other.safetensors"),
        ("transformers_audio", "conv_stride", [10, 8, 0]),
        ("transformers_audio", "conv_stride", "10"),
        ("transformers_audio", "num_hidden_layers", 10**30),
        ("transformers_audio", "num_conv_pos_embedding_groups", 3),
        ("transformers_audio", "feat_extract_norm", "batch"),
        ("transformers_audio", "mask_time_prob", "0.9"),
        ("transformers_audio", "model_type", ["wav2vec2"]),
        ("timm_image", "architecture", "resnet51"),
        ("timm_image", "architecture", 7),
        ("timm_image", "pretrained_cfg", "16"),
        ("timm_image", "model_args", {"depths": [1, 10**9]}),
        ("timm_image", "model_args", {"dims": "4"}),
    ],
)
def test_a_config_of_which_there_is_no_network_is_refused_with_its_file(
    folder, tmp_path, encoder, key, value
):
    load = folder(encoder)
    with pytest.raises(ValueError, match=r"gives no .* \(.+\); expected what .*: fetch") as error:
        load(**{key: value})
    assert str(error.value).startswith(str(tmp_path / "config.json"))


@pytest.mark.parametrize("encoder", ["ast", "clap", "transformers_audio"])
def test_outputs_have_names_whatever_the_config_says(folder, encoder):
    found = folder(encoder)(return_dict=False)
    sound = np.zeros((1, 2, found.sample_rate), np.float32)
    assert np.isfinite(found(sound)["embedding"]).all()


def small(path):
    return avsc.encoders.create("ast", name=str(path), weights="pretrained")


@pytest.mark.parametrize("code", ["utf-16", "utf-8-sig"])
def test_a_config_in_another_code_is_refused(folder, tmp_path, code):
    folder("ast")()
    path = tmp_path / "config.json"
    path.write_bytes(path.read_text("utf-8").encode(code))
    with pytest.raises(ValueError, match=r"config\.json gives no ASTConfig"):
        small(tmp_path)


@pytest.mark.parametrize("content", [[1], 5, None, {1: torch.ones(1)}])
def test_a_file_of_something_else_than_tensors_is_refused(folder, tmp_path, content):
    folder("ast")()
    (tmp_path / "model.safetensors").unlink()
    torch.save(content, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"pretrained .* cannot be loaded"):
        small(tmp_path)


def test_a_checkpoint_that_asks_for_a_package_that_is_not_there_is_refused(folder):
    asked = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    with pytest.raises(ValueError, match=r"pretrained .* cannot be loaded .*bitsandbytes"):
        folder("ast")(quantization_config=asked)


@pytest.mark.parametrize("files", ["x", {}, {"a": 5}])
def test_an_index_of_something_else_than_files_is_refused(folder, tmp_path, files):
    folder("ast")()
    (tmp_path / "model.safetensors").unlink()
    index = json.dumps({"metadata": {}, "weight_map": files})
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ValueError, match=r"pretrained .* cannot be loaded"):
        small(tmp_path)


def test_a_value_in_params_of_which_there_is_no_network_is_refused():
    config = ast.TINY["config"]
    for wrong in ({"hidden_size": "16"}, {"num_attention_heads": -1}, {"num_labels": 10**12}):
        with pytest.raises(ValueError, match=r"config gives no ASTConfig .*; expected values"):
            avsc.encoders.create("ast", **ast.TINY | {"config": config | wrong})


def test_a_look_at_the_config_draws_nothing():
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    _transformers.architecture(ASTForAudioClassification, ast.TINY["config"])
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)


def test_names_of_many_classes_are_no_layers(folder):
    assert folder("timm_image")(label_names=[f"class {i}" for i in range(12_000)]).classes
