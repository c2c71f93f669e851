"""Networks of timm without a classifier, or without the last layer: CLIP, SigLIP and the like."""

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

import avsc.encoders
from avsc.encoders import Network, Tagger

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 1, 60, 80, 3), dtype=np.uint8)
SMALL = {"img_size": 32, "embed_dim": 24, "depth": 1, "num_heads": 2}
SIGLIP = {"name": "vit_base_patch16_siglip_256", "model_kwargs": SMALL}
CLIP = {"name": "vit_base_patch16_clip_224", "model_kwargs": SMALL | {"num_classes": 0}}
RESNET = {
    "name": "resnet10t",
    "model_kwargs": {"channels": [4, 8, 12, 16], "num_classes": 0},
}


def create(block, **params):
    own = {"weights": "random", "input_size": 32, **block, **params}
    return avsc.encoders.create("timm_image", **own)


def saved(net, folder, **kwargs):
    """Save a network with its classifier; return the name under which timm loads it."""
    timm.models.save_for_hf(net, folder, model_args=SMALL | kwargs, safe_serialization=True)
    return f"local-dir:{folder}"


@pytest.fixture(scope="module")
def clip():
    torch.manual_seed(0)
    return timm.create_model("vit_base_patch16_clip_224", **SMALL, num_classes=7).eval()


@pytest.mark.parametrize("block", [SIGLIP, CLIP, RESNET], ids=lambda b: b["name"])
def test_a_tower_embeds_and_is_no_tagger(block):
    tower = create(block)
    assert isinstance(tower, Network)
    assert not isinstance(tower, Tagger)
    assert set(tower(PICTURES)) == {"embedding"}
    assert tower.views(PICTURES, count=2, seed=0).shape[:2] == (3, 2)


@pytest.mark.parity
@pytest.mark.parametrize("block", [SIGLIP, CLIP, RESNET], ids=lambda b: b["name"])
def test_the_embedding_is_what_timm_gives_without_a_classifier(block):
    torch.manual_seed(0)
    kwargs = block["model_kwargs"] | {"num_classes": 0}
    net = timm.create_model(block["name"], **kwargs).eval()
    tower = create(block, weights=net.state_dict())
    with torch.inference_mode():
        expected = net(tower.prepare(PICTURES)[:, 0])
    np.testing.assert_allclose(tower(PICTURES)["embedding"], expected, atol=1e-5)


def test_a_clip_has_the_mean_embedding_of_its_pictures():
    each = create(SIGLIP)(PICTURES)["embedding"]
    whole = create(SIGLIP, scope="clip")(PICTURES.swapaxes(0, 1))["embedding"]
    np.testing.assert_allclose(whole, each.mean(axis=0, keepdims=True), atol=1e-5)


def test_a_pretrained_clip_loses_its_projection_and_nothing_else(clip, tmp_path):
    name = saved(clip, tmp_path, num_classes=7)
    tower = create(CLIP, name=name, weights="pretrained", model_kwargs={"num_classes": 0})
    with torch.inference_mode():
        features = clip.forward_features(tower.prepare(PICTURES)[:, 0])
        expected = clip.forward_head(features, pre_logits=True)
    np.testing.assert_allclose(tower(PICTURES)["embedding"], expected, atol=1e-6)
    kept = {k: v for k, v in clip.state_dict().items() if not k.startswith("head.")}
    assert tower.model.state_dict().keys() == kept.keys()


@pytest.mark.parametrize("block", [CLIP, RESNET], ids=lambda b: b["name"])
def test_the_state_dict_of_a_whole_network_fills_its_tower(block):
    kwargs = block["model_kwargs"] | {"num_classes": 7}
    whole = timm.create_model(block["name"], **kwargs).eval()
    tower = create(block, weights=whole.state_dict())
    with torch.inference_mode():
        features = whole.forward_features(tower.prepare(PICTURES)[:, 0])
        expected = whole.forward_head(features, pre_logits=True)
    np.testing.assert_allclose(tower(PICTURES)["embedding"], expected, atol=1e-6)
    short = {k: v for k, v in whole.state_dict().items() if k != "layer1.0.conv1.weight"}
    short.pop("blocks.0.attn.qkv.weight", None)
    with pytest.raises(ValueError, match=r"(qkv|conv1)\.weight missing"):
        create(block, weights=short)


@pytest.mark.parametrize("kwargs", [{"num_classes": 0}, {}])
def test_a_pretrained_clip_that_lacks_a_tensor_is_refused(clip, tmp_path, kwargs):
    name = saved(clip, tmp_path, num_classes=7)
    state = {k: v for k, v in clip.state_dict().items() if k != "blocks.0.attn.qkv.weight"}
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"cannot be loaded \(.*qkv\.weight"):
        create(CLIP, name=name, weights="pretrained", model_kwargs=kwargs)


def test_clips_dimensions_are_not_taken_for_classes(clip, tmp_path):
    name = saved(clip, tmp_path, num_classes=7)
    with pytest.raises(ValueError, match=r"7 classes are not ImageNet's; .*\{num_classes: 0\}"):
        create(CLIP, name=name, weights="pretrained", model_kwargs=None)


def test_a_tower_has_no_classes_to_name():
    with pytest.raises(ValueError, match="2 classes are named, the model has 0"):
        create(CLIP, classes=["tree", "car"])
