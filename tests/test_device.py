import pytest
import torch

from avsc.device import device


@pytest.fixture
def gpus(monkeypatch):
    """Return what makes the machine have so many GPUs."""

    def made(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    monkeypatch.delenv("AVSC_DEVICE", raising=False)
    return made


def test_a_gpu_is_taken_where_there_is_one(gpus):
    gpus(0)
    assert device() == "cpu"
    gpus(2)
    assert device() == "cuda"


@pytest.mark.parametrize("asked", ["cpu", "cuda", "cuda:1"])
def test_the_environment_overrides(gpus, monkeypatch, asked):
    gpus(2)
    monkeypatch.setenv("AVSC_DEVICE", asked)
    assert device() == asked


@pytest.mark.parametrize("asked", ["cuda:2", "gpu", ""])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(gpus, monkeypatch, asked):
    gpus(2)
    monkeypatch.setenv("AVSC_DEVICE", asked)
    with pytest.raises(ValueError, match=f"AVSC_DEVICE is '{asked}', .* cuda, cuda:0, cuda:1, cpu"):
        device()


def test_without_a_gpu_there_is_only_the_cpu(gpus, monkeypatch):
    gpus(0)
    monkeypatch.setenv("AVSC_DEVICE", "cuda")
    with pytest.raises(ValueError, match="expected one of what this machine has: cpu; set it to"):
        device()


def test_on_a_gpu_float32_is_float32():
    assert not torch.backends.cudnn.allow_tf32
    for layers in (torch.backends.cudnn.conv, torch.backends.cudnn.rnn):
        assert layers.fp32_precision != "tf32"
