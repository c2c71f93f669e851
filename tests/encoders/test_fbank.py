import librosa
import numpy as np
import pytest

import avsc.encoders

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 2, 16000)).astype(np.float32)


def test_a_second_has_six_centred_frames_or_three_inside():
    # 1 + 16000 // 2736 = 6; 1 + (16000 - 8192) // 2736 = 3
    assert avsc.encoders.create("fbank")(NOISE)["embedding"].shape == (1, 6, 2, 256)
    inside = avsc.encoders.create("fbank", center=False)(NOISE)["embedding"]
    assert inside.shape == (1, 3, 2, 256)


@pytest.mark.parametrize("name", ["fbank", "scalogram"])
def test_sound_that_is_the_same_on_both_sides_has_a_silent_difference(name):
    mono = np.repeat(NOISE[:, :1], 2, axis=1)
    bands = avsc.encoders.create(name, eps=1e-5)(mono)["embedding"]
    np.testing.assert_allclose(bands[:, :, 1], np.log(1e-5), rtol=1e-6)
    assert (bands[:, :, 0] > np.log(1e-5) + 1).all()


@pytest.mark.parametrize("name", ["fbank", "scalogram"])
def test_opposite_sides_have_a_silent_mean(name):
    opposite = np.concatenate([NOISE[:, :1], -NOISE[:, :1]], axis=1)
    bands = avsc.encoders.create(name, eps=1e-5)(opposite)["embedding"]
    np.testing.assert_allclose(bands[:, :, 0], np.log(1e-5), rtol=1e-6)


@pytest.mark.parametrize("name", ["fbank", "scalogram"])
def test_the_first_second_of_a_clip_reaches_no_further_than_its_windows(name):
    clip = np.concatenate([NOISE, NOISE[..., ::-1]], axis=-1)
    inside = avsc.encoders.create(name, center=False)(NOISE)["embedding"]
    whole = avsc.encoders.create(name, scope="clip", center=False)(clip)["embedding"]
    np.testing.assert_allclose(whole[:, :3], inside, atol=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize("center", [True, False])
def test_fbank_is_librosas(center):
    found = avsc.encoders.create("fbank", center=center)(NOISE)["embedding"]
    mean, difference = (NOISE[0, 0] + NOISE[0, 1]) / 2, (NOISE[0, 0] - NOISE[0, 1]) / 2
    settings = {"sr": 16000, "n_fft": 8192, "hop_length": 2736, "n_mels": 256, "power": 1.0}
    for channel, y in enumerate((mean, difference)):
        expected = librosa.feature.melspectrogram(
            y=y, center=center, pad_mode="reflect", **settings
        )
        np.testing.assert_allclose(found[0, :, channel], np.log(expected + 1e-5).T, atol=1e-4)
