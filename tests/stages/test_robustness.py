import numpy as np
import pytest
import torch

from avsc import experiment
from avsc.artifacts import bundles, disturbances, manifest, models, predictions, shard
from avsc.artifacts.disturbances import Disturbance
from avsc.training.system import predict
from stages import robustness
from tests import params_files
from tests.artifacts import toy_shards

CLIPS = {"train": [f"t{i}" for i in range(6)], "val": ["v0", "v1"], "test": ["x0", "x1"]}
EVERY = [c for clips in CLIPS.values() for c in clips]
SECONDS = 3
PAIRS = {"av": "eyes", "pooled": "whole"}
NOISE = Disturbance("white_noise_db_0", "white_noise", 0, "dB")


def embeddings(directory, clips, *, seed, dim, scope="segment"):
    rng = np.random.default_rng(seed)
    size = (1 if scope == "clip" else SECONDS, dim)
    arrays = {c: (c, {"embedding": rng.normal(3, 2, size).astype(np.float32)}) for c in clips}
    modality = "audio" if directory.name == "ears" else "video"
    about = {"scope": scope, "modality": modality}
    toy_shards.write(directory / "a.h5", arrays, about=about, quarantined={})


def bundle(project):
    """Bundle sound with pictures, as they are and disturbed, again after a change."""
    for root in (project / "data/embeddings", project / "data/disturbed"):
        for name, other in PAIRS.items():
            bundles.write(root / name, [root / "ears", root / other])


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Embeddings of both modalities, a disturbed one, and no label of the test fold."""
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    embeddings(data / "embeddings/ears", EVERY, seed=0, dim=3)
    embeddings(data / "embeddings/eyes", EVERY, seed=1, dim=2)
    embeddings(data / "embeddings/whole", EVERY, seed=2, dim=2, scope="clip")
    noisy = [name for name, _ in NOISE.clips(CLIPS["test"])]
    embeddings(data / "disturbed/ears", noisy, seed=3, dim=3)
    disturbances.write(data / "disturbed/ears", [NOISE])
    for encoder in ("eyes", "whole"):
        disturbances.write(data / f"disturbed/{encoder}", [])
        toy_shards.list_again(data / f"disturbed/{encoder}")
    bundle(tmp_path)
    labels = [
        {"clip_id": c, "scene_label": "bus" if i % 2 else "park", "city": "x", "location": c}
        | {"split": split}
        for split in ("train", "val")
        for i, c in enumerate(CLIPS[split])
    ]
    manifest.write(data / "manifest/labels_train.csv", manifest.LABELS, labels)
    return tmp_path


def trained(name, *, head="gated", inputs="av"):
    """Train and keep a system as the train stage does; return it and what it read."""
    block = {"inputs": inputs, "labels": "none", "head": head, "fit": {"epochs": 2}}
    data = experiment.load(block)
    fitted = experiment.fit(block, data, seed=0)
    models.write(robustness.Path("data/models") / name, fitted.system.state_dict(), fitted.config)
    return fitted, data


def run(project, name, *, inputs="av", missing=(), shift_s=()):
    """Run the stage; return {name: probs} of what it wrote."""
    asked = {"inputs": inputs, "missing": [*missing], "shift_s": [*shift_s]}
    params_files.write(project, {"robustness": {name: asked}})
    robustness.main(name)
    out = project / "data/robustness" / name
    return {
        d.name: predictions.read(out / f"{d.name}.parquet", "test").probs
        for d in disturbances.read(out)
    }


@pytest.mark.parametrize("head", ["gated", "early"])
def test_the_undisturbed_predictions_are_those_of_training(project, head):
    fitted, data = trained("one", head=head)
    expected = experiment.predictions(fitted, data, "test")
    found = run(project, "one")
    np.testing.assert_array_equal(found["none"], expected.probs)
    table = predictions.read(project / "data/robustness/one/none.parquet", "test")
    assert (table.clip_id, table.segment) == (expected.clip_id, expected.segment)
    assert table.clip_id == ["x0"] * SECONDS + ["x1"] * SECONDS


@pytest.mark.parametrize("head", ["gated", "early"])
def test_with_audio_missing_the_answer_does_not_depend_on_audio(project, head):
    trained("one", head=head)
    before = run(project, "one", missing=["audio"])
    embeddings(project / "data/embeddings/ears", EVERY, seed=9, dim=3)
    bundle(project)
    after = run(project, "one", missing=["audio"])
    np.testing.assert_array_equal(after["missing_audio"], before["missing_audio"])
    assert not np.array_equal(after["none"], before["none"])


def test_shifted_sound_is_that_of_an_earlier_second_of_the_same_clip(project):
    fitted, data = trained("one")
    x = data.splits["test"].x
    shifted = {"audio": x["audio"][[2, 0, 1, 5, 3, 4]], "video": x["video"]}
    found = run(project, "one", shift_s=[1])
    np.testing.assert_array_equal(found["shift_s_1"], predict(fitted.system, shifted))


def test_disturbed_clips_take_the_place_of_the_cached_ones_in_their_own_modality(project):
    fitted, data = trained("one")
    with shard.reading(project / "data/disturbed/ears/a.h5") as s:
        noisy = torch.from_numpy(s.rows("embedding"))
    x = {"audio": noisy, "video": data.splits["test"].x["video"]}
    np.testing.assert_array_equal(run(project, "one")[NOISE.name], predict(fitted.system, x))


def test_a_disturbed_clip_that_lacks_a_second_is_named(project, monkeypatch):
    trained("one")
    noisy = [name for name, _ in NOISE.clips(CLIPS["test"])]
    monkeypatch.setitem(globals(), "SECONDS", SECONDS - 1)
    embeddings(project / "data/disturbed/ears", noisy, seed=3, dim=3)
    bundle(project)
    with pytest.raises(ValueError, match=r"/ears disagree on .* the first 'x0' with 3 and 2; imp"):
        run(project, "one")


def test_what_each_file_holds_is_listed_in_order(project):
    trained("one")
    run(project, "one", missing=["audio", "video"], shift_s=[-1, 2])
    assert disturbances.read(project / "data/robustness/one") == [
        Disturbance("none", "none", None, ""),
        Disturbance("missing_audio", "missing_audio", None, ""),
        Disturbance("missing_video", "missing_video", None, ""),
        Disturbance("shift_s_-1", "shift", -1, "s"),
        Disturbance("shift_s_2", "shift", 2, "s"),
        NOISE,
    ]


def test_a_system_of_sound_alone_is_disturbed_by_what_happens_to_sound(project):
    trained("alone", head="early", inputs="ears")
    found = run(project, "alone", inputs="ears")
    assert found.keys() == {"none", NOISE.name}


def test_of_a_system_of_one_modality_none_can_go_missing_or_shift(project):
    trained("alone", head="early", inputs="ears")
    with pytest.raises(ValueError, match="missing is 'audio', and there is no other modality"):
        run(project, "alone", inputs="ears", missing=["audio"])
    with pytest.raises(
        ValueError, match=r"shift_s is \[1\], but the system takes audio by the seg"
    ):
        run(project, "alone", inputs="ears", shift_s=[1])


def test_a_system_of_whole_clips_sees_disturbed_seconds_pooled(project):
    fitted, data = trained("whole", head="early", inputs="pooled")
    with shard.reading(project / "data/disturbed/ears/a.h5") as s:
        noisy = torch.from_numpy(s.rows("embedding")).unflatten(0, (2, SECONDS)).mean(1)
    x = {"audio": noisy, "video": data.splits["test"].x["video"]}
    found = run(project, "whole", inputs="pooled", missing=["video"])
    np.testing.assert_allclose(found[NOISE.name], predict(fitted.system, x), rtol=1e-6)
    table = predictions.read(project / "data/robustness/whole/none.parquet", "test")
    assert (table.clip_id, table.segment) == (CLIPS["test"], None)


def test_whole_clips_have_no_seconds_to_shift(project):
    trained("whole", head="early", inputs="pooled")
    with pytest.raises(ValueError, match="takes audio and video by the clip; expected"):
        run(project, "whole", inputs="pooled", shift_s=[1])


def test_other_inputs_than_the_system_was_trained_on_are_refused(project):
    trained("one")
    with pytest.raises(ValueError, match=r"robustness.one has inputs .*'whole'.*, but one was tr"):
        run(project, "one", inputs="pooled")


def test_an_encoder_that_has_disturbed_nothing_yet_is_told(project):
    trained("one")
    (project / "data/disturbed/av/eyes/disturbances.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"eyes/disturbances.json is not there; run `dvc"):
        run(project, "one")
