"""The pseudo_label stage: labels in their places, thresholds, and a warning of useless taggers."""

import json
import logging

import numpy as np
import yaml

from avsc.artifacts import manifest, pseudo_labels
from avsc.artifacts.results import read_table
from stages import pseudo_label
from tests.artifacts import toy_shards

CLASSES = 100


def write(root, objects, *, louder=0):
    """Write 20 clips of a second, whose taggers are sure of one class and near the rest.

    The first clip is of the test fold, and all its logits are higher by `louder`.
    """
    rng, clips = np.random.default_rng(0), [f"c{i}" for i in range(20)]
    logits = rng.normal(4, 1, (20, CLASSES)).astype(np.float32)
    logits[np.arange(20), np.arange(20)] += 8
    logits[0] += louder
    for kind in ("ears", "eyes"):
        arrays = {c: (f"key of {c}", {"logits": logits[i : i + 1]}) for i, c in enumerate(clips)}
        about = {"scope": "segment", "classes": json.dumps([f"k{j}" for j in range(CLASSES)])}
        toy_shards.write(root / f"data/embeddings/{kind}/s.h5", arrays, about=about, quarantined={})
    files = {"audio": "a.wav", "video": "a.mp4", "audio_sha256": "0" * 64, "video_sha256": "0" * 64}
    rows = [{"clip_id": c, "fold": "train" if c != "c0" else "test"} | files for c in clips]
    manifest.write(root / "data/manifest/media.csv", manifest.MEDIA, rows)
    events = {"tagger": "ears", "activation": "softmax", "pooling": "max", "quantile": 0.95}
    block = {"truth": "none", "events": events, "objects": objects}
    (root / "params.yaml").write_text(yaml.safe_dump({"data": "toy", "pseudo_label": block}))


def test_dense_labels_are_warned_of_and_the_remedy_makes_them_few(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    eyes = {"tagger": "eyes", "activation": "sigmoid", "pooling": "max", "threshold": 0.9216}
    write(tmp_path, eyes)
    with caplog.at_level(logging.WARNING):
        pseudo_label.main()
    (warning,) = caplog.messages
    assert warning.startswith("pseudo_label.objects: 9")  # nine of ten sigmoids pass
    assert "take activation: softmax; and set quantile: 0.95 in place of threshold" in warning

    caplog.clear()
    del eyes["threshold"]
    write(tmp_path, eyes | {"activation": "softmax", "quantile": 0.95})
    pseudo_label.main()
    assert not caplog.messages
    found = {r["kind"]: r for r in read_table(tmp_path / "metrics/pseudo_labels.csv")}
    assert abs(float(found["objects"]["labels_per_item"]) - 5) < 0.5


def test_a_class_is_a_label_of_the_clip_whose_logit_is_high(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"tagger": "eyes", "activation": "softmax", "pooling": "max", "threshold": 0.2})
    pseudo_label.main()
    clips = [f"c{i}" for i in reversed(range(20))]
    found = pseudo_labels.read(tmp_path / "data/pseudo_labels.parquet", clips, np.ones(20, int))
    expected = np.eye(CLASSES)[19::-1]
    np.testing.assert_array_equal(found["objects"], expected)


def test_a_quantile_is_that_of_the_training_fold_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    eyes = {"tagger": "eyes", "activation": "sigmoid", "pooling": "max", "quantile": 0.5}
    write(tmp_path, eyes, louder=9)
    pseudo_label.main()
    training = [f"c{i}" for i in range(1, 20)]
    found = pseudo_labels.read(tmp_path / "data/pseudo_labels.parquet", training, np.ones(19, int))
    assert found["objects"].mean() == 0.5
