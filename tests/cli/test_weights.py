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


AUDIOSET = 'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/05zppz,"Male speech, man speaking"\n'


def of_classes(path, count):
    torch.save({"head.weight": torch.zeros(count, 7), "head.bias": torch.zeros(count)}, path)
    return path


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_audiosets_csv_gives_its_display_names_in_the_order_of_its_index(tmp_path, order):
    header, *rows = AUDIOSET.splitlines()
    (tmp_path / "labels.csv").write_text("\n".join([header, *rows[order]]) + "\n")
    source, target = of_classes(tmp_path / "w.pth", 2), tmp_path / "w.safetensors"
    done = convert(source, target, "--classes", tmp_path / "labels.csv")
    assert done.exit_code == 0, done.stderr
    assert weights.read(target)[1] == ["Speech", "Male speech, man speaking"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "one\ntwo\nthree\n",
            "has 3 names, from 'one' to 'three', but no tensor of the network ha",
        ),
        ("", "has no names; give one for each class"),
        ("index,mid\n0,/m/1\n1,/m/2\n", "has the columns index, mid; expected one called display_"),
        ("index,name\n0,a\n2,b\n", "its index does not count from 0 to 1; correct it"),
        ("index,name\n0,a\n1\n", "and as many fields in every row"),
    ],
)
def test_classes_that_do_not_fit_the_network_are_refused(tmp_path, text, message):
    (tmp_path / "labels.csv").write_text(text)
    source, target = of_classes(tmp_path / "w.pth", 2), tmp_path / "w.safetensors"
    done = convert(source, target, "--classes", tmp_path / "labels.csv")
    assert done.exit_code == 1
    assert message in done.stderr
    assert not target.exists()


def test_names_with_commas_in_a_list_of_lines_stay_whole(tmp_path):
    (tmp_path / "labels.txt").write_text("Male speech, man speaking\nBell, church\n")
    source, target = of_classes(tmp_path / "w.pth", 2), tmp_path / "w.safetensors"
    assert convert(source, target, "--classes", tmp_path / "labels.txt").exit_code == 0
    assert weights.read(target)[1] == ["Male speech, man speaking", "Bell, church"]
