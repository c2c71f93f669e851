"""Arrays of several encoders that do not fit together."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from avsc import experiment
from avsc.artifacts import bundles, manifest, models, pseudo_labels
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


SCENES = {"t1": "park", "t0": "tram", "v1": "bus", "v0": "tram", "t2": "bus"}
COUNT = {"t0": 2, "t1": 3, "t2": 1, "v0": 3, "v1": 2, "x0": 2, "x1": 3}
NAMED = sorted(COUNT)


@pytest.fixture
def marked(tmp_path, monkeypatch):
    """A project whose every row holds the number of its clip and of its second."""
    monkeypatch.chdir(tmp_path)
    for encoder, modality, clips in (("ears", "audio", NAMED), ("eyes", "video", NAMED[::-1])):
        arrays = {c: (c, {"embedding": marks(c)}) for c in clips}
        about = {"scope": "segment", "modality": modality}
        toy_shards.write(Path(f"data/embeddings/{encoder}/a.h5"), arrays, about=about)
    root = Path("data/embeddings")
    bundles.write(root / "av", [root / "ears", root / "eyes"])
    write_labels("labels_train.csv", SCENES)


def marks(clip):
    rows = [(NAMED.index(clip), second) for second in range(COUNT[clip])]
    return np.array(rows, np.float32)


def write_labels(name, scenes):
    splits = {"t": "train", "v": "val", "x": "test"}
    rows = [
        {"clip_id": c, "scene_label": s, "city": "x", "location": c, "split": splits[c[0]]}
        for c, s in scenes.items()
    ]
    manifest.write(Path("data/manifest") / name, manifest.LABELS, rows)


@pytest.mark.usefixtures("marked")
def test_each_split_holds_all_of_its_clips_with_the_same_second_in_both_modalities():
    data = experiment.load(BLOCK)
    assert data.scenes == ["bus", "park", "tram"]
    clips = {name: split.clip_id for name, split in data.splits.items()}
    assert clips == {"train": ["t1", "t0", "t2"], "val": ["v1", "v0"], "test": ["x0", "x1"]}
    for split in data.splits.values():
        expected = np.concatenate([marks(c) for c in split.clip_id])
        for modality in ("audio", "video"):
            np.testing.assert_array_equal(split.x[modality].numpy(), expected)
    for name in ("train", "val"):
        scenes = [SCENES[c] for c in clips[name] for _ in range(COUNT[c])]
        assert [data.scenes[i] for i in data.splits[name].targets] == scenes


@pytest.mark.usefixtures("marked")
def test_labels_of_the_test_fold_change_nothing_that_training_sees():
    before = experiment.load(BLOCK)
    write_labels("labels_test.csv", {"x0": "bus", "x1": "park"})
    after = experiment.load(BLOCK)
    for name, split in after.splits.items():
        assert split.clip_id == before.splits[name].clip_id
        assert torch.equal(split.targets, before.splits[name].targets)
    assert len(after.splits["test"].targets) == 0


@pytest.mark.usefixtures("marked")
def test_pseudo_labels_stand_at_the_second_that_they_are_of():
    clips = [c for c in NAMED for _ in range(COUNT[c])]
    seconds = [k for c in NAMED for k in range(COUNT[c])]
    events = [[f"{c}-{k}"] for c, k in zip(clips, seconds, strict=True)]
    names = [name for (name,) in events]
    labels = {"events": events, "objects": [[] for _ in clips]}
    classes = {"events": names, "objects": ["car"]}
    pseudo_labels.write(Path("data/pseudo_labels.parquet"), clips, seconds, labels, classes)
    x = experiment.load(BLOCK | {"labels": "pseudo_labels.parquet"}).splits["train"].x
    found = [names[i] for i in x["events"].argmax(1)]
    assert found == [f"{NAMED[int(c)]}-{int(k)}" for c, k in x["audio"]]


@pytest.mark.usefixtures("marked")
def test_a_prediction_carries_the_clip_the_second_and_the_scene_that_it_is_of():
    data = experiment.load(BLOCK)
    fitted = experiment.untrained(BLOCK, data, seed=0)
    bus, park, tram = range(3)

    class Fixed(torch.nn.Module):
        """Says park of sound of second 0, tram of second 1, bus of second 2."""

        def forward(self, x):
            turn = torch.tensor([park, tram, bus])
            return 9 * torch.nn.functional.one_hot(turn[x["audio"][:, 1].long()], 3).float()

    fitted.system.head = Fixed()
    found = experiment.predictions(fitted, data, "test")
    assert found.clip_id == ["x0", "x0", "x1", "x1", "x1"]
    assert found.segment == [0, 1, 0, 1, 2]
    answers = [found.scenes[i] for i in found.probs.argmax(1)]
    assert answers == ["park", "tram", "park", "tram", "bus"]


CONFIG = {
    "head": "early",
    "hparams": {"widths": [4]},
    "standardise": True,
    "inputs": {"audio": "ears"},
    "shapes": {"audio": [2]},
    "scenes": ["bus", "park"],
    "scope": "segment",
    "dropped": [],
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
