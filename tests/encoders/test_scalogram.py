import numpy as np
import pytest

import avsc.encoders
from avsc.encoders.scalogram import centres, morlets, weights

HZ = 16000 / (2 * np.pi)  # of a radian a sample


def test_8192_samples_at_q_41_give_58_even_and_232_geometric_bands():
    linear, octaves = centres(n_fft=8192, q=41)
    assert (len(linear), len(octaves)) == (58, 232)


def test_512_ms_at_48_khz_and_q_32_give_a_low_pass_45_even_and_244_geometric_bands():
    linear, octaves = centres(n_fft=24576, q=32)
    assert (len(linear), len(octaves)) == (45, 244)
    assert len(morlets(n_fft=24576, q=32, low_pass=True)) == 290


def test_centres_rise_evenly_below_and_by_a_constant_ratio_above():
    linear, octaves = centres(n_fft=8192, q=41)
    np.testing.assert_allclose(octaves[1:] / octaves[:-1], 2 ** (1 / 41))
    steps = np.diff([*linear, octaves[0]])
    np.testing.assert_allclose(steps, steps[0])
    assert linear[0] > 0
    assert octaves[-1] < np.pi


def test_the_spacing_goes_on_where_the_octaves_end():
    linear, octaves = centres(n_fft=8192, q=41)
    assert octaves[0] - linear[-1] == pytest.approx(octaves[1] - octaves[0], rel=0.02)


def test_a_wavelet_peaks_at_its_centre():
    linear, octaves = centres(n_fft=8192, q=41)
    response, bin_rad = morlets(n_fft=8192, q=41, low_pass=False), np.pi / 4096
    np.testing.assert_allclose(
        response[2:].argmax(axis=1) * bin_rad, [*linear[2:], *octaves], atol=bin_rad
    )


def test_no_wavelet_hears_a_constant():
    np.testing.assert_allclose(morlets(n_fft=8192, q=41, low_pass=False)[:, 0], 0, atol=1e-12)


def test_together_the_wavelets_hear_every_frequency_about_equally():
    # Littlewood-Paley: two neighbours at 0.9 deviations give 2 exp(-0.81) = 0.89, a peak with its
    # neighbours at 1.8 deviations 1 + 2 exp(-3.24) = 1.08
    linear, octaves = centres(n_fft=8192, q=41)
    bins = np.linspace(0, np.pi, 4097)
    covered = (bins >= linear[0]) & (bins <= octaves[-1])
    energy = (morlets(n_fft=8192, q=41, low_pass=False) ** 2).sum(axis=0)[covered]
    assert energy.min() > 0.85
    assert energy.max() < 1.1


def test_weights_sum_to_one_and_hold_no_denormals():
    kept = weights(morlets(n_fft=8192, q=41, low_pass=False))
    assert kept.dtype == np.float32
    np.testing.assert_allclose(kept.sum(axis=1), 1, rtol=1e-6)
    assert kept.data.min() > np.finfo(np.float32).tiny
    assert kept.nnz < 0.03 * 290 * 4097


def test_leaving_the_tails_out_changes_nothing_that_can_be_seen():
    response = morlets(n_fft=8192, q=41, low_pass=False)
    spectrum = np.random.default_rng(0).uniform(0, 1, 4097)
    exact = response / response.sum(axis=1, keepdims=True) @ spectrum
    np.testing.assert_allclose(weights(response) @ spectrum, exact, rtol=1e-5)


def test_a_sine_is_loudest_in_the_band_whose_centre_it_has():
    bands_rad = np.concatenate(centres(n_fft=8192, q=41))
    sine = 0.5 * np.sin(bands_rad[:, None] * np.arange(16000))
    stereo = np.stack([sine, sine], axis=1).astype(np.float32)
    loudest = avsc.encoders.create("scalogram")(stereo)["embedding"][:, 2, 0].argmax(axis=1)
    np.testing.assert_array_equal(loudest, np.arange(290))


def test_a_440_hz_sine_is_loudest_in_the_band_nearest_to_440_hz():
    sine = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    stereo = np.stack([sine, sine])[None].astype(np.float32)
    embedding = avsc.encoders.create("scalogram")(stereo)["embedding"]
    bands_hz = np.concatenate(centres(n_fft=8192, q=41)) * HZ
    assert embedding.shape == (1, 6, 2, 290)
    np.testing.assert_array_equal(
        embedding[0, 1:5, 0].argmax(axis=1), np.abs(bands_hz - 440).argmin()
    )


def test_a_window_too_short_for_its_wavelets_is_refused():
    with pytest.raises(ValueError, match="a window of 256 samples is too short for q 41, which"):
        avsc.encoders.create("scalogram", window_s=0.016)


@pytest.mark.parametrize(("rate", "bands"), [(16000, 290), (32000, 331), (44100, 350)])
def test_windows_last_512_ms_at_every_sample_rate(rate, bands):
    # 41 wavelets an octave: 41 more at 32 kHz, 41 log2(44.1 / 16) = 60 more at 44.1 kHz
    encoder = avsc.encoders.create("scalogram", sample_rate=rate)
    assert len(encoder.stft.keywords["window"]) == pytest.approx(0.512 * rate, abs=1)
    x = np.zeros((1, 2, rate), np.float32)
    assert encoder(x)["embedding"].shape == (1, 6, 2, bands)
