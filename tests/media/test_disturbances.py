"""Noise at the asked ratio, exact gain, a true Gaussian; and nothing hangs on other clips."""

import numpy as np
import pytest
from scipy.signal import welch

from avsc.media.disturbances import KINDS, blur, dark, effects, gain, pink_noise, white_noise

RATE = 16000
NOISES = pytest.mark.parametrize("noise", [white_noise, pink_noise])
EVERY = pytest.mark.parametrize(
    ("key", "strength"),
    [
        ("white_noise_db", 10),
        ("pink_noise_db", 10),
        ("gain_db", -6),
        ("blur_px", 1.5),
        ("dark_factor", 0.5),
    ],
)


def sound(seed=0, *, seconds=3, rate=RATE):
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.3, 0.3, (seconds, 2, rate)).astype(np.float32)


def pictures(seed=0, *, seconds=3):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (seconds, 1, 24, 32, 3), dtype=np.uint8)


def clip(key, seed=0):
    return sound(seed) if KINDS[key].modality == "audio" else pictures(seed)


def effect(key, strength, *, seed=0):
    (made,) = effects({key: [strength]}, modality=KINDS[key].modality, seed=seed)
    return made


def power(x):
    return np.square(x, dtype=np.float64).mean()


@NOISES
@pytest.mark.parametrize("snr_db", [20, 0, -10])
def test_the_measured_signal_to_noise_ratio_is_the_one_asked_for(noise, snr_db):
    x = sound() * np.array([1, 0.1, 0.01], np.float32)[:, None, None]  # as a whole, not a second
    added = noise(x, snr_db, 1).astype(np.float64) - x
    assert 10 * np.log10(power(x) / power(added)) == pytest.approx(snr_db, abs=1e-3)


@NOISES
def test_every_second_and_channel_has_noise_of_its_own(noise):
    added = (noise(sound(), 0, 1) - sound()).reshape(6, RATE)
    correlation = np.corrcoef(added) - np.eye(6)
    assert np.abs(correlation).max() < 0.5  # pink noise drifts, so it is not near 0


@pytest.mark.parametrize(("noise", "slope"), [(white_noise, 0), (pink_noise, -1)])
def test_white_noise_is_as_strong_at_all_frequencies_and_pink_noise_falls_as_one_over_f(
    noise, slope
):
    x = sound(seconds=20)
    added = (noise(x, 0, 1) - x).swapaxes(0, 1).reshape(2, -1)
    f, density = welch(added, RATE, nperseg=4096)
    heard = (f > 50) & (f < 6000)
    fitted = np.polyfit(np.log(f[heard]), np.log(density.mean(0)[heard]), 1)[0]
    assert fitted == pytest.approx(slope, abs=0.1)


@NOISES
def test_levels_of_noise_are_one_draw_at_several_amplitudes(noise):
    strong, weak = (noise(sound(), snr_db, 1) - sound() for snr_db in (0, 20))
    np.testing.assert_allclose(strong, 10 * weak, atol=1e-5)


@NOISES
def test_a_silent_clip_stays_silent(noise):
    silence = np.zeros((2, 2, RATE), np.float32)
    np.testing.assert_array_equal(noise(silence, 0, 1), silence)


@NOISES
def test_the_same_clip_as_one_row_gets_the_same_noise(noise):
    whole = sound().swapaxes(0, 1).reshape(1, 2, -1)
    expected = noise(sound(), 10, 1).swapaxes(0, 1).reshape(1, 2, -1)
    np.testing.assert_array_equal(noise(whole, 10, 1), expected)


@NOISES
def test_noise_of_another_seed_or_of_another_clip_is_another(noise):
    draws = [noise(x, 0, seed) - x for x, seed in [(sound(), 1), (sound(), 2), (sound(3), 1)]]
    for one, other in [(0, 1), (0, 2), (1, 2)]:
        assert np.abs(np.corrcoef(draws[one].ravel(), draws[other].ravel())[0, 1]) < 0.3


def test_gain_multiplies_every_sample():
    x = np.array([0.5, -0.25, 0.01, 0], np.float32).reshape(1, 2, 2)
    np.testing.assert_allclose(gain(x, -20), x / 10, rtol=1e-6)
    np.testing.assert_allclose(gain(x, 20 * np.log10(2)), 2 * x, rtol=1e-6)


def test_gain_clips_what_full_scale_does_not_hold():
    x = np.array([0.5, -0.5, 0.01, 0], np.float32).reshape(1, 2, 2)
    np.testing.assert_allclose(gain(x, 20), np.reshape([1, -1, 0.1, 0], (1, 2, 2)), rtol=1e-6)


def test_blur_spreads_a_point_as_the_gaussian_of_that_deviation():
    x = np.zeros((1, 1, 31, 31, 3), np.uint8)
    x[0, 0, 15, 15] = 255
    spread = blur(x, 1.0)[0, 0, :, :, 0]
    at = np.exp(-np.square(np.arange(-15, 16)) / 2)
    expected = 255 * np.outer(at, at) / at.sum() ** 2
    np.testing.assert_array_less(np.abs(spread - expected), 0.51)  # rounded


def test_blur_mixes_neither_colours_nor_pictures():
    x = np.zeros((2, 1, 8, 8, 3), np.uint8)
    x[0, 0, :, :, 1] = 200
    np.testing.assert_array_equal(blur(x, 2.0), x)


def test_blur_leaves_an_even_picture_as_it_is_up_to_its_border():
    even = np.full((1, 1, 9, 7, 3), 77, np.uint8)
    np.testing.assert_array_equal(blur(even, 3.0), even)


def test_darkness_multiplies_every_stored_value():
    x = np.array([0, 1, 100, 255], np.uint8).reshape(1, 1, 2, 2, 1).repeat(3, axis=-1)
    np.testing.assert_array_equal(dark(x, 0.3)[..., 0].ravel(), [0, 0, 30, 76])
    np.testing.assert_array_equal(dark(x, 1), x)
    assert not dark(x, 0).any()


@EVERY
def test_a_clip_keeps_its_shape_and_type_and_is_itself_left_alone(key, strength):
    x = clip(key)
    x.flags.writeable = False
    found = effect(key, strength)(x)
    assert (found.shape, found.dtype) == (x.shape, x.dtype)
    assert not np.array_equal(found, x)


@EVERY
def test_other_clips_before_it_change_nothing(key, strength):
    one = effect(key, strength)
    expected = one(clip(key))
    one(clip(key, 5))
    np.testing.assert_array_equal(one(clip(key)), expected)


def test_an_effect_is_made_for_each_strength_in_order_under_a_name_of_its_own():
    made = effects({"gain_db": [-20, 6.5], "pink_noise_db": [0]}, modality="audio", seed=0)
    assert [e.name for e in made] == ["gain_db_-20", "gain_db_6.5", "pink_noise_db_0"]
    assert [(e.kind.name, e.strength, e.kind.unit) for e in made] == [
        ("gain", -20, "dB"),
        ("gain", 6.5, "dB"),
        ("pink_noise", 0, "dB"),
    ]


@pytest.mark.parametrize("key", ["blur_px", "noise"])
def test_what_is_no_disturbance_of_the_modality_is_refused(key):
    with pytest.raises(ValueError, match=f"no disturbance {key} of audio; expected some of white"):
        effects({key: [1]}, modality="audio", seed=0)


def test_a_strength_that_stands_twice_is_refused():
    with pytest.raises(ValueError, match="gain_db_3 asked twice"):
        effects({"gain_db": [3, 3.0]}, modality="audio", seed=0)


@pytest.mark.parametrize(
    ("key", "strength", "message"),
    [
        ("white_noise_db", float("nan"), "noise_db is nan; expected -200 to 200"),
        ("gain_db", float("inf"), "gain_db is inf; expected -200 to 200"),
        ("blur_px", 0, "blur_px is 0; expected a number above 0"),
        ("dark_factor", 1.5, "dark_factor is 1.5; expected 0"),
    ],
)
def test_a_strength_out_of_range_is_refused(key, strength, message):
    with pytest.raises(ValueError, match=message):
        effect(key, strength)(clip(key))
