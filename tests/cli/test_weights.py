"""avsc weights convert: what others publish becomes a file that params.yaml can name by digest."""

import numpy as np
import pytest
import torch
import torchvision
from typer.testing import CliRunner

from avsc import embedding
from avsc.artifacts import weights
from avsc.cli import app

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 1, 70, 80, 3), dtype=np.uint8)
CLASSES = ["/a/airfield", "/b/bus station/indoor", "/p/park"]


def convert(*arguments):
    return CliRunner().invoke(app, ["weights", "convert", *map(str, arguments)])


@pytest.fixture
def places(tmp_path):
    """Return a ResNet, and the file that Places365's authors would publish of it.

    Their PyTorch was of a time when batches were not counted.
    """
    torch.manual_seed(0)
    net = torchvision.models.resnet18(num_classes=3).eval()
    own = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    state = {f"module.{k}": v for k, v in own.items()}
    checkpoint = {"epoch": 90, "arch": "resnet18", "state_dict": state, "best_prec1": 54.7}
    path = tmp_path / "resnet18_places365.pth.tar"
    torch.save(checkpoint, path, _use_new_zipfile_serialization=False)
    lines = [f"{name} {i}\n" for i, name in enumerate(CLASSES)]
    (tmp_path / "categories.txt").write_text("".join(lines))
    return net, path


@pytest.mark.parity
def test_a_resnet_of_places_becomes_a_tagger_by_digest_that_says_what_torchvision_says(
    places, tmp_path
):
    net, path = places
    target = tmp_path / "weights/places.safetensors"
    done = convert(path, target, "--classes", tmp_path / "categories.txt")
    assert done.exit_code == 0, done.output
    assert "3 classes" in done.output
    digest = done.output.split("sha256: ")[1].strip()
    assert digest == weights.digest(target)
    block = {"encoder": "timm_image", "name": "resnet18", "weights": target.name, "sha256": digest}
    tagger = embedding.create(block, root=tmp_path)
    assert tagger.classes == CLASSES
    with torch.inference_mode():
        expected = net(tagger.prepare(PICTURES)[:, 0])
    np.testing.assert_allclose(tagger(PICTURES)["logits"], expected, atol=1e-5)


def test_tensors_that_share_memory_are_written(tmp_path):
    tied = torch.arange(6.0)
    torch.save({"a": tied, "b": tied[2:]}, tmp_path / "w.pth")
    assert convert(tmp_path / "w.pth", tmp_path / "w.safetensors").exit_code == 0
    state, classes = weights.read(tmp_path / "w.safetensors")
    assert state["b"].tolist() == [2, 3, 4, 5]
    assert not classes


def test_what_is_no_state_dict_is_refused(tmp_path):
    torch.save([1], tmp_path / "w.pth")
    done = convert(tmp_path / "w.pth", tmp_path / "w.safetensors")
    assert done.exit_code == 1
    assert "holds no state dict" in done.stderr
    assert not (tmp_path / "w.safetensors").exists()


def test_a_list_of_classes_that_is_no_text_is_named(places, tmp_path):
    (tmp_path / "categories.txt").write_bytes(b"\xff\xfe")
    done = convert(places[1], tmp_path / "w.safetensors", "--classes", tmp_path / "categories.txt")
    assert done.exit_code == 1
    assert "categories.txt is no UTF-8 text" in done.stderr


def test_a_target_of_another_kind_is_refused(places, tmp_path):
    done = convert(places[1], tmp_path / "w.pth")
    assert done.exit_code == 2
    assert "is to be safetensors; name it <name>.safetensors" in done.stderr
