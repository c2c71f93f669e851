"""What `embed` writes about the parameters of its encoders, and weights named by their digest."""

import hashlib

import pytest
import timm

from avsc.artifacts import weights
from avsc.artifacts.results import read_table

pytestmark = pytest.mark.slow


def report(project, name):
    (row,) = read_table(project.root / f"metrics/embed/{name}.csv")
    return row


def test_every_encoder_has_a_report_of_its_parameters(reproduced):
    found = {n: report(reproduced, n) for n in ("ast", "convnext", "scalogram")}
    made = reproduced.root / "data/weights/ast.safetensors"
    assert found["ast"]["file_sha256"] == hashlib.sha256(made.read_bytes()).hexdigest()
    assert found["ast"]["state_sha256"] == weights.state_digest(weights.read(made)[0])
    assert [r["weights"] for r in found.values()] == ["ast.safetensors", "random", "none"]
    assert int(found["convnext"]["parameters"]) > int(found["scalogram"]["parameters"]) == 0


def test_a_checkpoint_of_a_real_architecture_is_named_in_params_and_loads_by_digest(toy):
    net = timm.create_model("resnet10t", num_classes=4)
    path = toy.root / "data/weights/own.safetensors"
    weights.write(path, net.state_dict(), classes=["bus", "car", "person", "tree"])
    toy.edit(
        embed__convnext={
            "encoder": "timm_image",
            "weights": path.name,
            "sha256": weights.digest(path),
            "name": "resnet10t",
            "input_size": 32,
        }
    )
    toy.repro("embed@convnext")
    found = report(toy, "convnext")
    assert found["file_sha256"] == weights.digest(path)
    assert found["state_sha256"] == weights.state_digest(net.state_dict())
    assert int(found["parameters"]) == sum(p.numel() for p in net.parameters())

    toy.edit(embed__convnext__sha256="0" * 64)
    done = toy.run("dvc", "repro", "embed@convnext", check=False)
    assert done.returncode
    assert "own.safetensors has sha256" in done.stderr
    assert f"expected {'0' * 64}; fetch the file again" in done.stderr
