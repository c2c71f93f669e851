from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

import avsc.encoders
from avsc.encoders._network import seeded
from avsc.encoders._picture_views import Augmentation
from avsc.encoders.timm_image import TINY

CONFIG = {
    "input_size": (3, 32, 32),
    "interpolation": "bicubic",
    "mean": (0.0, 0.0, 0.0),
    "std": (1.0, 1.0, 1.0),
}
WHOLE = {"scale": (1.0, 1.0), "ratio": (1.0, 1.0)}
DULL = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0}


def picture(*channels):
    return np.stack(np.broadcast_arrays(*channels), axis=-1).astype(np.uint8)[None]


@pytest.mark.parity
@pytest.mark.parametrize("size", [(90, 120), (31, 7), (1, 1)])
def test_a_view_has_the_bits_of_torchvisions_transforms_in_a_row(size):
    x = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    steps = [
        v2.RandomResizedCrop((32, 32), interpolation=v2.InterpolationMode.BICUBIC),
        v2.RandomHorizontalFlip(),
        v2.ToDtype(torch.float32, scale=True),
        v2.ColorJitter(0.4, 0.3, 0.2, 0.1),
        v2.Normalize(CONFIG["mean"], CONFIG["std"]),
    ]
    change = Augmentation(CONFIG, contrast=0.3, saturation=0.2, hue=0.1)
    for draw in range(50):
        with seeded(draw):
            expected = v2.Compose(steps)(torch.from_numpy(x).permute(0, 3, 1, 2))
        assert torch.equal(change(x, draw), expected)


def test_a_flipped_picture_is_its_mirror_image():
    half = picture(*[np.repeat([0, 255], 16)[None].repeat(32, 0)] * 3)
    change = Augmentation(CONFIG, **WHOLE, **DULL, flip=1.0)
    expected = torch.tensor([1.0] * 16 + [0.0] * 16).expand(1, 3, 32, 32)
    torch.testing.assert_close(change(half, 0), expected)


def test_half_the_pictures_are_flipped():
    half = picture(*[np.repeat([0, 255], 16)[None].repeat(32, 0)] * 3)
    change = Augmentation(CONFIG, **WHOLE, **DULL)
    flipped = [bool(change(half, draw)[0, 0, 0, 0]) for draw in range(400)]
    assert np.mean(flipped) == pytest.approx(0.5, abs=0.1)  # 4 standard errors


def test_threads_draw_what_one_thread_draws():
    change = Augmentation(CONFIG)
    at = np.arange(64)
    x = picture(4 * at[None], 4 * at[:, None], 0)
    alone = [change(x, draw) for draw in range(200)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda draw: change(x, draw), range(200)))
    assert all(map(torch.equal, alone, together))


def test_a_crop_has_the_area_and_the_shape_that_are_asked_for():
    at = np.arange(256)
    x = picture(at[None], at[:, None], 0)  # red is the column, green the row
    change = Augmentation(CONFIG, **DULL, scale=(0.125, 0.125), ratio=(2.0, 2.0), flip=0.0)
    for draw in range(20):
        red, green, _ = 255 * change(x, draw)[0]
        # an eighth of 65536 pixels, twice as wide as high: 128 by 64, shown in 32 by 32
        assert float(red[:, -1].mean() - red[:, 0].mean()) == pytest.approx(128 - 4, abs=1.5)
        assert float(green[-1].mean() - green[0].mean()) == pytest.approx(64 - 2, abs=1.5)


def test_grey_grows_brighter_or_darker_within_the_limit_and_stays_grey():
    change = Augmentation(CONFIG)
    levels = [255 * change(picture(*[np.full((40, 50), 100)] * 3), d) for d in range(200)]
    assert all(float(level.max() - level.min()) < 1e-3 for level in levels)
    means = [float(level.mean()) for level in levels]
    assert min(means) > 59.99
    assert max(means) < 140.01
    assert np.ptp(means) > 70


@pytest.mark.parametrize("limit", ["contrast", "saturation", "hue"])
def test_each_colour_limit_has_its_effect(limit):
    x = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    plain = Augmentation(CONFIG, **WHOLE, **DULL, flip=0.0)(x, 0)
    jitter = {**DULL, limit: 0.4}
    change = Augmentation(CONFIG, **WHOLE, **jitter, flip=0.0)
    torch.testing.assert_close(plain[0], torch.from_numpy(x[0]).permute(2, 0, 1) / 255)
    assert max(float((change(x, d) - plain).abs().max()) for d in range(9)) > 0.1


@pytest.mark.parity
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_a_crop_is_resized_as_pillow_does_with_the_models_interpolation(interpolation):
    # far from black and white, where pillow cuts bicubic's overshoot off twice
    x = np.random.default_rng(0).integers(80, 176, (1, 90, 120, 3), dtype=np.uint8)
    change = Augmentation({**CONFIG, "interpolation": interpolation}, **DULL)
    mode = v2.InterpolationMode(interpolation)
    steps = [v2.RandomResizedCrop((32, 32), interpolation=mode), v2.RandomHorizontalFlip()]
    for draw in range(5):
        with seeded(draw):
            expected = np.asarray(v2.Compose(steps)(Image.fromarray(x[0])), np.float32)
        found = 255 * change(x, draw)[0].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(found, expected, atol=1.01)  # a level, by rounding


def test_a_changed_picture_is_normalised_as_the_plain_one():
    encoder = avsc.encoders.create("timm_image", **TINY)
    white = np.full((1, 40, 50, 3), 255, np.uint8)
    change = Augmentation(encoder.data_config, **DULL)
    torch.testing.assert_close(change(white, 0), encoder.prepare(white[None])[0])


def test_all_pictures_of_a_row_are_changed_in_the_same_way():
    one = np.random.default_rng(0).integers(0, 256, (1, 48, 64, 3), dtype=np.uint8)
    found = Augmentation(CONFIG)(np.concatenate([one, one]), 0)
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)


def test_a_crop_larger_than_nothing_fits_the_smallest_picture():
    one = np.full((1, 1, 1, 3), 255, np.uint8)
    assert torch.isfinite(Augmentation(CONFIG)(one, 0)).all()
