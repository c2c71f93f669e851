import librosa
import numpy as np
import pytest
import scipy.fft

import avsc.encoders
from avsc.encoders._spectrum import magnitude, mel_filters

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 2, 16000)).astype(np.float32)
MONO = NOISE.mean(axis=1)
LIBROSA = {"sr": 16000, "hop_length": 160, "win_length": 400, "window": "hamming"}


def reference(y, *, n_fft, n_mels):
    """Return librosa's log-mel frames, its windows moved to where ours stand."""
    padded = np.pad(y, [(0, 0), ((n_fft - 400) // 2,) * 2])
    settings = {**LIBROSA, "center": False, "n_fft": n_fft, "n_mels": n_mels}
    power = librosa.feature.melspectrogram(y=padded, **settings)
    return np.log(power + 1e-10).swapaxes(-1, -2)


@pytest.mark.parity
@pytest.mark.parametrize(("n_fft", "n_mels"), [(512, 128), (1024, 64), (400, 40)])
def test_logmel_is_librosas(n_fft, n_mels):
    found = avsc.encoders.create("logmel", n_fft=n_fft, n_mels=n_mels)(NOISE)["embedding"]
    assert found.shape == (2, 98, n_mels)
    np.testing.assert_allclose(found, reference(MONO, n_fft=n_fft, n_mels=n_mels), atol=2e-4)


@pytest.mark.parity
@pytest.mark.parametrize(("f_min", "f_max"), [(0.0, None), (300.0, 6000.0)])
def test_mel_filters_are_librosas(f_min, f_max):
    bank = mel_filters(sample_rate=16000, n_fft=512, n_mels=40, f_min=f_min, f_max=f_max)
    expected = librosa.filters.mel(sr=16000, n_fft=512, n_mels=40, fmin=f_min, fmax=f_max)
    np.testing.assert_allclose(bank, expected, atol=1e-7)


@pytest.mark.parity
def test_mfcc_is_librosas():
    found = avsc.encoders.create("mfcc", n_mfcc=13)(NOISE)["embedding"]
    expected = librosa.feature.mfcc(
        S=reference(MONO, n_fft=512, n_mels=128).swapaxes(1, 2), n_mfcc=13
    )
    np.testing.assert_allclose(found, expected.swapaxes(1, 2), atol=1e-3)


def test_all_cosine_coefficients_hold_the_whole_logmel_spectrum():
    cepstrum = avsc.encoders.create("mfcc", n_mfcc=128)(NOISE)["embedding"]
    logmel = avsc.encoders.create("logmel")(NOISE)["embedding"]
    np.testing.assert_allclose(scipy.fft.idct(cepstrum, norm="ortho"), logmel, atol=1e-4)


def test_silence_is_the_logarithm_of_eps():
    logmel = avsc.encoders.create("logmel", eps=1e-10)(np.zeros((1, 2, 16000), np.float32))
    np.testing.assert_allclose(logmel["embedding"], np.log(1e-10), rtol=1e-6)


def test_twice_the_amplitude_is_four_times_the_power():
    encoder = avsc.encoders.create("logmel")
    louder = encoder(2 * NOISE)["embedding"] - encoder(NOISE)["embedding"]
    np.testing.assert_allclose(louder, np.log(4), atol=1e-3)


def test_the_channels_are_averaged():
    left_only = NOISE.copy()
    left_only[:, 1] = 0
    both = np.repeat(left_only[:, :1] / 2, 2, axis=1)
    encoder = avsc.encoders.create("logmel")
    np.testing.assert_array_equal(encoder(left_only)["embedding"], encoder(both)["embedding"])


def test_magnitude_of_a_constant_is_the_sum_of_the_window():
    ones = np.ones((1, 8), np.float32)
    found = magnitude(ones, np.ones(4, np.float32), hop_length=2, n_fft=4, center=False)
    np.testing.assert_allclose(found, [[[4, 0, 0], [4, 0, 0], [4, 0, 0]]], atol=1e-6)


def test_a_centred_frame_sees_its_row_mirrored():
    ramp = np.array([[0, 1, 2, 3, 4]], np.float32)  # mirrored by 2: 2 1 0 1 2 3 4 3 2
    found = magnitude(ramp, np.ones(4, np.float32), hop_length=2, n_fft=4, center=True)
    np.testing.assert_allclose(found[0, :, 0], [2 + 1 + 0 + 1, 0 + 1 + 2 + 3, 2 + 3 + 4 + 3])


def test_mel_bands_too_narrow_for_the_spectrum_are_refused():
    with pytest.raises(ValueError, match=r"of 300 mel filters hold no bin of a 512-point spectrum"):
        avsc.encoders.create("logmel", n_mels=300, n_fft=512)


def test_a_window_longer_than_the_transform_is_refused():
    with pytest.raises(ValueError, match="has 400 samples, more than n_fft 256; leave"):
        avsc.encoders.create("logmel", n_fft=256)


def test_more_coefficients_than_bands_are_refused():
    with pytest.raises(ValueError, match="n_mfcc is 129; 128 mel bands give 1 to 128"):
        avsc.encoders.create("mfcc", n_mfcc=129)


RATES = [8000, 16000, 22050, 32000, 44100, 48000]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("name", "shape"), [("logmel", (1, 98, 128)), ("mfcc", (1, 98, 20)), ("fbank", (1, 6, 2, 256))]
)
def test_windows_and_mel_bands_follow_the_sample_rate(name, shape, rate):
    encoder = avsc.encoders.create(name, sample_rate=rate)
    assert encoder(np.zeros((1, 2, rate), np.float32))["embedding"].shape == shape


@pytest.mark.parametrize(("rate", "last"), [(8000, 49), (22050, 50), (32000, 49), (44100, 49)])
def test_sine_lasts_as_many_frames_at_every_sample_rate(rate, last):
    sine = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)
    sine[rate // 2 :] = 0
    stereo = np.stack([sine, sine])[None].astype(np.float32)
    logmel = avsc.encoders.create("logmel", sample_rate=rate)(stereo)["embedding"][0]
    # a frame begins every 10 ms, or 220 samples at 22050 Hz, the last one before 500 ms
    assert np.flatnonzero(logmel.max(axis=1) > np.log(1e-6))[-1] == last


def test_spectrum_is_as_long_as_its_narrowest_band_takes():
    # 128 bands up to 4 kHz are 0.273 mels apart: two of them, 36.4 Hz, take 220 points at 8 kHz;
    # 200 bands up to 8 kHz, 30.0 Hz, take 533 points at 16 kHz
    assert avsc.encoders.create("logmel", sample_rate=8000).logmel.n_fft == 256
    assert avsc.encoders.create("logmel").logmel.n_fft == 512
    assert avsc.encoders.create("logmel", n_mels=200).logmel.n_fft == 1024


def test_bands_above_half_the_sample_rate_are_refused():
    with pytest.raises(ValueError, match="f_max is 14000 Hz; sound at 16000 Hz reaches 8000 Hz; l"):
        avsc.encoders.create("logmel", f_max=14000)


def test_window_without_a_sample_is_refused():
    with pytest.raises(ValueError, match="1e-05 s hold no sample at 16000 Hz; give window_s and"):
        avsc.encoders.create("logmel", hop_s=1e-5)
