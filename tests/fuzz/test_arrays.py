"""Readers of arrays: a damaged file is refused, or what it holds is what was written."""

import json
from random import Random

import numpy as np
import pytest
import torch

from avsc.artifacts import models, predictions, pseudo_labels, shard, weights
from avsc.artifacts.predictions import Predictions
from tests.fuzz.mutations import BINARY, cases, only_documented

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800, method="thread")]

ROWS = np.random.default_rng(0).random((3, 5), dtype=np.float32)
OTHER = {"embedding": ROWS[::-1].copy()}


def written(folder, name, clips, **about):
    folder.mkdir(parents=True)
    shard.write(folder / name, clips, about=about, quarantined={"z": "no moov"})
    return (folder / name).read_bytes()


def whole(path):
    """Return all that a shard holds."""
    with shard.reading(path) as s:
        arrays = {n: (s.rows(n).tolist(), s.count(n).tolist()) for n in s.names}
        return s.clip_id, s.key, s.about, s.quarantined, arrays


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    clips = {c: (f"{i:064x}", {"embedding": ROWS + i, "logits": ROWS}) for i, c in enumerate("ab")}
    more = {"scope": "segment", "classes": json.dumps(["bell", "horn", "wind"])}
    content = written(folder / "one", "k.h5", clips, **more)
    other = written(folder / "two", "k.h5", {"q": ("0" * 64, OTHER)}, scope="clip")
    return folder / "k.h5", content, other, whole(folder / "one/k.h5")


@cases(BINARY)
def test_a_damaged_shard_is_refused_or_holds_what_was_written(shards, damage, seed):
    path, content, other, expected = shards
    path.write_bytes(damaged := damage(content, other, Random(seed)))
    found = only_documented(whole, path)
    assert found is None or found == expected or damaged == other


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    probs = np.random.default_rng(0).dirichlet(np.ones(3), 8)
    ids = [f"bus-lyon-1-{i // 2}" for i in range(8)]
    val = Predictions(ids, [0, 1] * 4, probs, ("bus", "park", "tram"))
    predictions.write(folder / "p.parquet", {"val": val})
    predictions.write(
        folder / "q.parquet", {"val": Predictions(["a"], None, probs[:1], tuple("xyz"))}
    )
    labels = {"events": [["bell"], []], "objects": [["car", "tree"], ["car"]]}
    classes = {"events": ["bell", "horn"], "objects": ["car", "tree"]}
    pseudo_labels.write(folder / "l.parquet", ["a", "b"], [0, 0], labels, classes)
    contents = {name: (folder / f"{name}.parquet").read_bytes() for name in "pql"}
    return folder / "damaged.parquet", contents, val


@cases(BINARY)
def test_damaged_predictions_are_refused_or_those_that_were_written(tables, damage, seed):
    path, contents, val = tables
    path.write_bytes(damaged := damage(contents["p"], contents["q"], Random(seed)))
    p = only_documented(lambda path: predictions.read(path, "val"), path)
    if p is not None and damaged != contents["q"]:
        assert (p.clip_id, p.segment, p.scenes) == (val.clip_id, val.segment, val.scenes)
        np.testing.assert_array_equal(p.probs, val.probs)


@cases(BINARY)
def test_damaged_pseudo_labels_are_refused_or_those_that_were_written(tables, damage, seed):
    path, contents, _ = tables
    path.write_bytes(damage(contents["l"], contents["p"], Random(seed)))
    hot = only_documented(lambda p: pseudo_labels.read(p, ["b", "a"], np.array([1, 1])), path)
    if hot is not None:
        assert {k: v.tolist() for k, v in hot.items()} == {
            "events": [[0, 0], [1, 0]],
            "objects": [[1, 0], [1, 1]],
        }


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    config = {"head": "early", "hparams": {"k": 2}, "scenes": ["bus", "tram"]}
    for name, value in (("m", 1.0), ("other", 2.0)):
        state = {"w": torch.full((3, 2), value), "bias": torch.arange(3.0)}
        models.write(folder / name, state, config)
    state, config = models.read(folder / "m")
    return folder, {k: v.tolist() for k, v in state.items()}, config


@cases(BINARY, share=0.5)
@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
def test_a_damaged_model_is_refused_or_the_one_that_was_written(model, name, damage, seed):
    folder, expected, expected_config = model
    whole, other = ((folder / d / name).read_bytes() for d in ("m", "other"))
    (folder / "m" / name).write_bytes(damage(whole, other, Random(seed)))
    try:
        found = only_documented(models.read, folder / "m")
    finally:
        (folder / "m" / name).write_bytes(whole)
    if found is not None:
        assert {k: v.tolist() for k, v in found[0].items()} == expected
        assert found[1] == expected_config


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    state = {"w": torch.ones(3, 2), "bias": torch.arange(3.0)}
    weights.write(folder / "w.safetensors", state, classes=["bell", "horn"])
    torch.save(state, folder / "w.pth")
    return folder


@cases(BINARY, share=0.5)
@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_damaged_weights_are_refused_or_tensors(states, name, damage, seed):
    content, other = ((states / f"w.{e}").read_bytes() for e in ("safetensors", "pth"))
    if name == "w.pth":
        content, other = other, content
    path = states / f"damaged{name[1:]}"
    path.write_bytes(damage(content, other, Random(seed)))
    found = only_documented(weights.read, path)
    assert found is None or all(isinstance(v, torch.Tensor) for v in found[0].values())
