import numpy as np
import pytest

import avsc.encoders
from stages.report import spectrogram


@pytest.mark.parametrize("rate", [8000, 16000, 32000, 44100, 48000])
def test_sound_of_any_rate_has_a_spectrogram_of_98_frames_a_second(rate):
    assert spectrogram(rate)(np.zeros((1, 2, rate), np.float32))["embedding"].shape == (1, 98, 128)


def test_a_spectrogram_at_16_khz_is_that_of_hou():
    x = np.random.default_rng(0).uniform(-1, 1, (1, 2, 16000)).astype(np.float32)
    expected = avsc.encoders.create("logmel")(x)["embedding"]
    np.testing.assert_array_equal(spectrogram(16000)(x)["embedding"], expected)
