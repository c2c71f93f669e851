"""Arrays of several encoders that do not fit together."""

import numpy as np
import pytest
import torch
import yaml

from avsc import experiment
from avsc.artifacts import bundles, manifest, models
from stages import pseudo_label
from tests.artifacts import toy_shards

BLOCK = {"inputs": "av", "labels": "none", "head": "early"}
SECONDS = {"t": 3, "v": 2, "x": 4}  # clips of any length


def write(project, encoder, seconds, **about):
    arrays = {
        clip: (clip, {n: np.ones((count, 2), np.float32) for n in ("embedding", "logits")})
        for clip, count in seconds.items()
    }
    about = {"scope": "segment", "modality": "audio", "classes": '["a", "b"]'} | about
    if encoder == "eyes":
        about |= {"modality": "video"}
    path = project / f"data/embeddings/{encoder}/a.h5"
    toy_shards.write(path, arrays, about=about, quarantined={})
    root = project / "data/embeddings"
    if (root / "eyes").is_dir():
        bundles.write(root / "av", [root / "ears", root / "eyes"])


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    about = {"scene_label": "bus", "city": "x", "location": "x"}
    rows = [{"clip_id": c, "split": s} | about for c, s in (("t", "train"), ("v", "val"))]
    manifest.write(tmp_path / "data/manifest/labels_train.csv", manifest.LABELS, rows)
    write(tmp_path, "ears", SECONDS)
    return tmp_path


@pytest.mark.parametrize("clip", SECONDS)
def test_a_clip_that_lacks_its_last_second_in_one_encoder_is_named_with_both_counts(project, clip):
    write(project, "eyes", SECONDS)
    experiment.load(BLOCK)
    n = SECONDS[clip]
    write(project, "eyes", SECONDS | {clip: n - 1})
    with pytest.raises(
        ValueError,
        match=rf"ears and .*eyes disagree on .* 1 clips, the first '{clip}' with {n} and",
    ):
        experiment.load(BLOCK)


def test_pooled_labels_of_a_clip_that_lacks_a_second_in_one_tagger_are_refused(project):
    write(project, "eyes", SECONDS | {"t": 2})
    files = {"audio": "a.wav", "video": "a.mp4", "audio_sha256": "0" * 64, "video_sha256": "0" * 64}
    rows = [{"clip_id": c, "fold": "train"} | files for c in SECONDS]
    manifest.write(project / "data/manifest/media.csv", manifest.MEDIA, rows)
    tagger = {"activation": "sigmoid", "pooling": "max", "threshold": 0.5}
    taggers = {"events": {"tagger": "ears"} | tagger, "objects": {"tagger": "eyes"} | tagger}
    params = {"data": "toy", "pseudo_label": {"truth": "none"} | taggers}
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ValueError, match=r"ears and .*eyes disagree .* the first 't' with 3 and 2"):
        pseudo_label.main()


CONFIG = {
    "head": "early",
    "hparams": {"widths": [4]},
    "standardise": True,
    "inputs": {"audio": "ears"},
    "shapes": {"audio": [2]},
    "scenes": ["bus", "park"],
    "scope": "segment",
}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"head": "_mlp"}, "no head '_mlp'"),
        ({"head": "__init__"}, "no head '__init__'"),
        ({"head": "eraly"}, "no head 'eraly'; did you mean 'early'?"),
        ({"head": "gated", "hparams": {}}, "gated fuses audio and video"),
        ({"head": "logistic", "hparams": {}}, "Unexpected key"),
        ({"hparams": {"widths": [60_000] * 50}}, "Missing key"),
        ({"hparams": {"widths": ["x"]}}, "'x'|str"),
        ({"hparams": {"width": 4}}, "unexpected keyword argument 'width'"),
        ({"shapes": {"audio": [10**11]}}, "size mismatch|memory|too (big|large)"),
        ({"inputs": ["audio"]}, "expected inputs to name encoders"),
        ({"scenes": []}, "expected scenes to be two or more"),
    ],
)
def test_model_whose_config_and_weights_disagree_is_refused_in_a_line(tmp_path, change, cause):
    state = experiment.build(CONFIG).state_dict()
    models.write(tmp_path / "m", state, CONFIG)
    assert experiment.restore(tmp_path / "m").config == CONFIG
    models.write(tmp_path / "m", state, CONFIG | change)
    with pytest.raises(ValueError, match=cause) as caught:
        experiment.restore(tmp_path / "m")
    assert "config.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_probabilities_that_are_not_finite_are_refused():
    system = experiment.build(CONFIG)
    with torch.no_grad():
        system.head.classify.bias.fill_(torch.nan)
    with pytest.raises(ValueError, match="probabilities are NaN or infinite in 3 of 3 rows"):
        experiment.predict(system, {"audio": torch.zeros(3, 2)})
