import numpy as np
import pytest
import torch
from torch.optim import SGD

from avsc import encoders, executors, heads, params, spelling
from avsc.media.disturbances import effects
from avsc.training import pseudo_labels
from avsc.training.strategies import schedules
from avsc.training.tuning import Tuning


def test_nearest_name_is_suggested_and_none_where_none_is_near():
    assert spelling.expected("flim", ["film", "gated"]) == (
        "expected one of film, gated; did you mean 'film'?"
    )
    assert spelling.expected("xyz", ["film", "gated"]) == "expected one of film, gated"
    assert spelling.expected(None, []) == "expected one of none"


@pytest.mark.parametrize(
    ("looked_up", "expected"),
    [
        (
            lambda: heads.create("gatde", dims={}, num_classes=2),
            "no head 'gatde'; did you mean 'gated'",
        ),
        (lambda: encoders.create("logmle"), r"no encoder 'logmle'; did you mean 'logmel'\?"),
        (lambda: executors.create("rya"), "executor is 'rya', expected .*; did you mean 'ray'"),
        (lambda: Tuning(precision="bfloat61").check(["audio"]), "did you mean 'bfloat16'"),
        (
            lambda: schedules.create("plataeu", SGD([torch.zeros(1)], lr=1)),
            "did you mean 'plateau'",
        ),
        (lambda: labels(activation="sigmiod"), "activation is 'sigmiod'.*did you mean 'sigmoid'"),
        (lambda: labels(pooling="maen"), "pooling is 'maen', .*; did you mean 'mean'"),
        (lambda: head("late", rule="avreage"), "did you mean 'average'"),
        (lambda: head("joint", mode="pipelnie"), "did you mean 'pipeline'"),
        (lambda: head("temporal", kind="gur"), "did you mean 'gru'"),
        (lambda: effects({"gian_db": [1]}, modality="audio", seed=0), "did you mean 'gain_db'"),
    ],
)
def test_misspelled_name_is_answered_with_the_nearest(looked_up, expected):
    with pytest.raises(ValueError, match=expected):
        looked_up()


def test_misspelled_key_of_params_is_answered_with_the_nearest(tmp_path):
    (tmp_path / "params.yaml").write_text("embed: {logmel: {}}\n")
    with pytest.raises(KeyError, match=r"has no 'embed.logmle'.*; did you mean logmel"):
        params.load("embed.logmle", root=tmp_path)


def head(name, **hparams):
    return heads.create(name, dims={"audio": (3,), "video": (3,)}, num_classes=2, **hparams)


def labels(**how):
    return pseudo_labels.probabilities(np.zeros((2, 3)), np.array([2]), **how)
