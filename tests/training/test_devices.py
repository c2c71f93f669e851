import numpy as np
import pytest
import torch

from avsc.heads.early import Head
from avsc.training.loop import Fold, fit
from avsc.training.system import System, predict

OPTIONS = {"epochs": 5, "batch_size": 16, "lr": 0.01}


def fold(seed):
    rng = torch.Generator().manual_seed(seed)
    targets = torch.arange(48) % 3
    audio = torch.randn(48, 4, generator=rng)
    audio[torch.arange(48), targets] += 2
    return Fold({"audio": audio, "video": torch.randn(48, 2, generator=rng)}, targets)


def trained(device):
    torch.manual_seed(0)
    shapes = {"audio": (4,), "video": (2,)}
    system = System(Head(shapes, 3, widths=[8], dropout=0.0), shapes, standardise=True)
    history = fit(system, fold(1), fold(2), num_classes=3, seed=7, options=OPTIONS, device=device)
    x = {m: rows.to(device) for m, rows in fold(3).x.items()}
    return [row["val_loss"] for row in history], predict(system, x)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_training_on_a_gpu_is_training_on_a_cpu():
    for found, expected in zip(trained("cuda"), trained("cpu"), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-3)
