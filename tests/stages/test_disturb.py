from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import avsc.media
from avsc import embedding
from avsc.artifacts import disturbances, embeddings, media, weights
from avsc.artifacts.disturbances import Disturbance
from avsc.media.disturbances import dark, gain, white_noise
from stages import disturb
from tests.stages import toy_clips

SECONDS = 2
FOLD = {"t0": "train", "x0": "test", "x1": "test", "lost": "test"}  # the last one in quarantine
EARS = {"encoder": "mfcc", "weights": "none"}
EYES = toy_clips.EYES | {"views": {"count": 2, "seed": 1}}


def decoded(seed):
    return toy_clips.decoded(seed, seconds=SECONDS)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Decoded clips of both folds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVSC_DEVICE", "cpu")
    clips = {c: decoded(i) for i, c in enumerate(FOLD) if c != "lost"}
    toy_clips.write(tmp_path / "data", FOLD, clips)
    return tmp_path


def run(block, **asked):
    """Run the stage for an entry of embed; return what it made."""
    named = {"encoder": block["encoder"], "weights": block["weights"]}
    params = {"executor": "local", "embed": {"it": block}, "disturb": {"it": named | asked}}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    disturb.main("it")
    return disturbances.read(Path("data/disturbed/it"))


def rows(d, clip_id):
    ((item, _),) = d.clips([clip_id])
    return embeddings.read(Path("data/disturbed/it"), [item]).rows


@pytest.mark.usefixtures("project")
def test_only_clips_of_the_test_fold_that_were_decoded_are_disturbed_by_each_of_the_effects():
    done = run(EARS, white_noise_db=[10, 0], gain_db=[-6])
    assert done == [
        Disturbance("white_noise_db_10", "white_noise", 10, "dB"),
        Disturbance("white_noise_db_0", "white_noise", 0, "dB"),
        Disturbance("gain_db_-6", "gain", -6, "dB"),
    ]
    expected = {item for d in done for item, _ in d.clips(["x0", "x1"])}
    assert embeddings.clips(Path("data/disturbed/it")) == expected


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("scope", ["segment", "clip"])
def test_an_encoder_of_seconds_or_of_clips_hears_the_disturbed_sound(scope):
    block = EARS | {"scope": scope}
    noise, soft = run(block, white_noise_db=[0], gain_db=[-6], seed=3)
    sound = decoded(1)["waveform"]
    encoder = embedding.create(block)
    for d, x in ((noise, white_noise(sound, 0, 3)), (soft, gain(sound, -6))):
        expected = encoder(embedding.rows(encoder, {"waveform": x}))["embedding"]
        np.testing.assert_array_equal(rows(d, "x0"), expected)
        assert len(expected) == (1 if scope == "clip" else SECONDS)


@pytest.mark.slow
@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("scope", ["segment", "clip"])
def test_an_encoder_of_seconds_or_of_clips_sees_the_disturbed_pictures(scope):
    block = EYES | {"scope": scope}
    (d,) = run(block, dark_factor=[0.25])
    pictures = np.stack([avsc.media.picture(j) for j in media.pictures(decoded(2))])
    shown = dark(pictures, 0.25)
    x = shown[None] if scope == "clip" else shown[:, None]
    np.testing.assert_array_equal(rows(d, "x1"), embedding.create(block)(x)["embedding"])


@pytest.mark.usefixtures("project")
def test_another_strength_encodes_its_own_clips_alone(capsys):
    run(EARS, white_noise_db=[10])
    assert "2 encoded, 0 kept" in capsys.readouterr().out
    run(EARS, white_noise_db=[20, 10])
    assert "2 encoded, 0 kept, 2 taken over" in capsys.readouterr().out


@pytest.mark.usefixtures("project")
def test_an_encoder_that_nothing_disturbs_is_listed_as_such():
    assert run(EARS) == []


@pytest.mark.usefixtures("project")
def test_a_kind_of_the_other_modality_is_refused():
    with pytest.raises(ValueError, match=r"disturb\.it\.blur_px: no such key; expected one of"):
        run(EARS, blur_px=[1])


@pytest.mark.usefixtures("project")
def test_an_encoder_that_is_not_that_of_embed_is_refused():
    with pytest.raises(ValueError, match=r"disturb\.it\.weights: expected 'none' as in embed\.it"):
        run(EARS, weights="random")


@pytest.mark.usefixtures("project")
def test_damaged_weights_are_an_error_that_names_the_entry_and_the_clip():
    state = {
        k: torch.full_like(v, torch.nan)
        for k, v in embedding.create(EYES).model.state_dict().items()
    }
    weights.write(Path("data/weights/damaged.safetensors"), state, classes=EYES["classes"])
    message = (
        r"embedding of clip 'dark_factor_0\.5/x0' \(disturb\.it\) is NaN or infinite; is it too"
    )
    with pytest.raises(ValueError, match=message):
        run(EYES | {"weights": "damaged.safetensors"}, dark_factor=[0.5])
