import huggingface_hub.constants
import numpy as np
import pytest
import timm
import timm.data
import torch
from PIL import Image

import avsc.encoders
from avsc.encoders.timm_image import TINY

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 1, 90, 120, 3), dtype=np.uint8)
KWARGS = {**TINY["model_kwargs"], "num_classes": 3}


def create(**params):
    return avsc.encoders.create("timm_image", **{**TINY, **params})


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return timm.create_model("convnext_atto", **KWARGS).eval()


@pytest.mark.parity
@pytest.mark.parametrize("size", [(48, 64), (320, 240), (225, 500)])
@pytest.mark.parametrize("chosen", [{}, {"crop_pct": 1.0}, {"input_size": 288, "crop_pct": 0.95}])
def test_pictures_are_resized_and_cropped_as_timm_does(net, size, chosen):
    pictures = np.random.default_rng(0).integers(0, 256, (1, 1, *size, 3), dtype=np.uint8)
    side = chosen.get("input_size", 224)
    config = timm.data.resolve_model_data_config(net) | chosen | {"input_size": (3, side, side)}
    expected = timm.data.create_transform(**config, is_training=False)(
        Image.fromarray(pictures[0, 0])
    )
    found = create(**{"input_size": None, **chosen}).prepare(pictures)
    assert found.shape == (1, 1, 3, side, side)
    torch.testing.assert_close(found[0, 0], expected, rtol=0, atol=0)


def test_a_white_picture_is_one_less_the_mean_over_the_deviation():
    white = np.full((1, 1, 40, 50, 3), 255, np.uint8)
    found = create().prepare(white)[0, 0, :, 16, 16]
    # ImageNet's: mean .485 .456 .406, deviation .229 .224 .225
    expected = [0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("convnext_atto", {"depths": [1, 1, 1, 1], "dims": [4, 8, 12, 16]}),
        ("tf_efficientnetv2_b0", {}),
        ("resnet10t", {"channels": [4, 8, 12, 16]}),
        ("vit_tiny_patch16_224", {"depth": 1, "embed_dim": 24, "img_size": 32}),
    ],
)
def test_the_logits_are_those_of_the_timm_model(name, kwargs):
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=3, **kwargs).eval()
    tagger = create(name=name, model_kwargs=kwargs, weights=net.state_dict())
    found = tagger(PICTURES)
    with torch.inference_mode():
        pictures = tagger.prepare(PICTURES)[:, 0]
        embedding = net.forward_head(net.forward_features(pictures), pre_logits=True)
        torch.testing.assert_close(torch.from_numpy(found["logits"]), net(pictures))
        torch.testing.assert_close(torch.from_numpy(found["embedding"]), embedding)


def test_the_classifier_on_the_embedding_gives_the_logits():
    tagger = create()
    found, classifier = tagger(PICTURES), tagger.model.net.get_classifier()
    expected = classifier(torch.from_numpy(found["embedding"])).detach()
    np.testing.assert_allclose(found["logits"], expected, atol=1e-6)


def test_a_clip_has_the_mean_embedding_and_the_largest_logits_of_its_pictures():
    clip = np.random.default_rng(1).integers(0, 256, (2, 5, 40, 40, 3), dtype=np.uint8)
    each = create()(clip.reshape(10, 1, 40, 40, 3))
    whole = create(scope="clip")(clip)
    mean = each["embedding"].reshape(2, 5, -1).mean(axis=1)
    np.testing.assert_allclose(whole["embedding"], mean, atol=1e-5)
    largest = each["logits"].reshape(2, 5, -1).max(axis=1)
    np.testing.assert_allclose(whole["logits"], largest, atol=1e-5)


def test_the_state_dict_has_timms_own_names(net):
    assert create().model.state_dict().keys() == net.state_dict().keys()


def test_a_state_dict_can_be_put_back_into_the_model():
    tagger, other = create(seed=1), create(seed=2)
    other.model.load_state_dict(tagger.model.state_dict())
    np.testing.assert_array_equal(other(PICTURES)["logits"], tagger(PICTURES)["logits"])


def test_a_checkpoint_in_a_folder_is_loaded_by_its_name(net, tmp_path):
    timm.models.save_for_hf(net, tmp_path, model_args=KWARGS)
    tagger = create(name=f"local-dir:{tmp_path}", weights="pretrained", model_kwargs=None)
    found = tagger(PICTURES)["logits"]
    with torch.inference_mode():
        expected = net(tagger.prepare(PICTURES)[:, 0])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_another_number_of_classes_would_make_a_pretrained_classifier_random(net, tmp_path):
    timm.models.save_for_hf(net, tmp_path, model_args=KWARGS)
    with pytest.raises(ValueError, match=r"asks for 7 classes, .* has 3 and another would be rand"):
        create(name=f"local-dir:{tmp_path}", weights="pretrained", model_kwargs={"num_classes": 7})


def test_a_model_of_a_thousand_classes_names_them_as_imagenet_does():
    kwargs = TINY["model_kwargs"]
    classes = create(model_kwargs=kwargs, classes=None).classes
    assert len(set(classes)) == 1000
    assert classes[0] == "tench, Tinca tinca (n01440764)"


def test_classes_that_are_not_imagenets_must_be_named():
    with pytest.raises(ValueError, match="the model's 3 classes are not ImageNet's; give classes"):
        create(classes=None, model_kwargs=KWARGS)


def test_as_many_classes_as_the_model_has_must_be_named():
    with pytest.raises(ValueError, match="2 classes are named, the model has 3"):
        create(classes=["tree", "car"], model_kwargs=KWARGS)


def test_a_segment_has_one_picture():
    with pytest.raises(ValueError, match="2 pictures a row; a segment has 1, or set scope: clip"):
        create()(np.zeros((1, 2, 40, 40, 3), np.uint8))


@pytest.mark.usefixtures("no_network")
def test_a_name_that_timm_does_not_know_is_refused():
    with pytest.raises(
        ValueError, match=r"timm has no 'resnet51' .*; expected a name of timm\.list"
    ):
        avsc.encoders.create("timm_image", name="resnet51", weights="random")


@pytest.mark.usefixtures("no_network")
def test_without_network_the_error_says_what_to_do():
    with pytest.raises(
        FileNotFoundError, match=r"no pretrained 'convnext_atto'.* or set weights: t"
    ):
        create(weights="pretrained", model_kwargs=None, classes=None)


def test_mean_and_std_normalise_pictures():
    white = np.full((1, 1, 40, 40, 3), 255, np.uint8)
    prepared = create(mean=[0.5, 0.25, 0], std=[0.5, 0.5, 0.25]).prepare(white)
    # (1 - 0.5) / 0.5, (1 - 0.25) / 0.5, (1 - 0) / 0.25
    expected = torch.tensor([1.0, 1.5, 4.0])[:, None, None].expand(3, 32, 32)
    torch.testing.assert_close(prepared[0, 0], expected)
    steps = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0}
    view = create(mean=[0.5, 0.25, 0], std=[0.5, 0.5, 0.25]).prepare_view(
        white, view=1, seed=0, **steps
    )
    torch.testing.assert_close(view[0, 0], expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mean": [0.5]}, r"mean is \[0\.5\], expected three numbers from 0 to 1 \(of red, green"),
        ({"mean": [127, 127, 127]}, r"mean is \[127, 127, 127\], expected three numbers"),
        ({"std": [0.5, 0.5, 0]}, r"std is \[0\.5, 0\.5, 0\], expected three numbers from 1e-06"),
    ],
)
def test_mean_and_std_of_another_form_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        create(**given)
