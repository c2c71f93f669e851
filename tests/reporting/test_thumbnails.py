import io

import numpy as np
import pytest
from PIL import Image

from avsc.reporting import thumbnails


def picture(file):
    return Image.open(io.BytesIO(file))


def jpeg(size):
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "expected"), [((320, 240), (64, 48)), ((240, 320), (48, 64)), ((40, 30), (40, 30))]
)
def test_the_short_side_shrinks_to_its_limit_and_never_grows(size, expected):
    small = picture(thumbnails.thumbnail(jpeg(size), short_side_px=48, quality=60))
    assert (small.size, small.format) == (expected, "JPEG")
    np.testing.assert_allclose(np.asarray(small).mean(axis=(0, 1)), (200, 30, 30), atol=6)


def test_a_spectrogram_has_time_to_the_right_and_frequency_upwards():
    power = np.full((4, 2), 1e-12)
    power[3, 1] = 1.0  # the last frame's highest band
    file = thumbnails.spectrogram(np.log(power), width_px=4, height_px=2)
    shade = np.asarray(picture(file))
    assert shade.tolist() == [[0, 0, 0, 255], [0, 0, 0, 0]]


def test_shades_are_linear_in_decibels_below_the_loudest():
    logmel = np.log(10.0 ** -np.array([[0.0], [3.5], [7.0], [9.0]]))  # 0, -35, -70, -90 dB
    file = thumbnails.spectrogram(logmel, width_px=4, height_px=1, range_db=70.0)
    assert np.asarray(picture(file)).tolist() == [[255, 128, 0, 0]]


def test_silence_is_a_picture_too():
    file = thumbnails.spectrogram(np.full((3, 2), -23.0, dtype=np.float32))
    assert picture(file).size == (320, 64)


def test_lightness_grows_with_the_shade():
    lightness = thumbnails.palette() @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > 0).all()
