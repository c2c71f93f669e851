"""Models of strangers: what does not match its digests is refused."""

import json

import pytest
import torch
from safetensors.torch import save

from avsc.artifacts import models


@pytest.fixture
def model(tmp_path):
    models.write(tmp_path / "m", {"w": torch.arange(3.0)}, {"head": "early", "hparams": {"k": 2}})
    return tmp_path / "m"


def test_a_model_comes_back_as_it_was_written(model):
    state, config = models.read(model)
    assert state["w"].tolist() == [0, 1, 2]
    assert config == {"head": "early", "hparams": {"k": 2}}


def test_weights_that_are_not_those_of_their_config_are_refused(model):
    (model / "weights.safetensors").write_bytes(save({"w": torch.ones(3)}))
    with pytest.raises(ValueError, match=r"weights\.safetensors is damaged \(its sha256 is"):
        models.read(model)


def test_a_config_that_was_changed_is_refused(model):
    path = model / "config.json"
    path.write_text(path.read_text().replace('"k": 2', '"k": 3'))
    with pytest.raises(ValueError, match=r"config\.json is damaged \(its content has sha256"):
        models.read(model)


def test_a_config_without_digests_is_refused(model):
    (model / "config.json").write_text(json.dumps({"head": "early"}))
    with pytest.raises(ValueError, match=r"lacks folder or sha256"):
        models.read(model)


def test_a_config_that_is_no_json_is_refused(model):
    (model / "config.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        models.read(model)


def test_a_model_without_weights_says_what_makes_them(model):
    (model / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"no weights\.safetensors .*`dvc repro train@m`"):
        models.read(model)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path, value):
    models.write(tmp_path / "m", {"w": torch.tensor([0.0, value])}, {})
    with pytest.raises(ValueError, match=r"weights\.safetensors is damaged \(w holds NaN or infin"):
        models.read(tmp_path / "m")


def test_a_model_of_another_experiment_is_refused(model):
    model.rename(model.with_name("other"))
    with pytest.raises(ValueError, match=r"config\.json was written for 'm', expected 'other'"):
        models.read(model.with_name("other"))
