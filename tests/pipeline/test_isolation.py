"""The probabilities of a second come from that second alone: from the files to the scenes."""

import pkgutil
from importlib import import_module

import av
import numpy as np
import pytest
import soundfile
import torch

import avsc.encoders
import avsc.heads
from avsc import embedding
from avsc.artifacts import media
from avsc.media import decode
from avsc.training import loop, system
from avsc.training.folds import Fold
from tests.artifacts import toy_shards

SECONDS, SHARED, FPS, RATE = 3, 1, 5, 48000
ENCODERS = avsc.encoders.names()
HEADS = [m.name for m in pkgutil.iter_modules(avsc.heads.__path__) if not m.name.startswith("_")]
CLASSES, ROWS, ROW = 3, 90, 7


def write_clip(directory, name, *, seeds):
    """Write a wav and an mp4 whose every second is drawn from a seed of its own."""
    draws = [np.random.default_rng(seed) for seed in seeds]
    sound = np.concatenate([rng.uniform(-0.4, 0.4, (RATE, 2)) for rng in draws])
    soundfile.write(directory / f"{name}.wav", sound, RATE, subtype="PCM_24")
    with av.open(directory / f"{name}.mp4", "w") as file:
        stream = file.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        # Each second is a closed group of pictures of constant quality, so that not even the
        # compression of one second knows of another.
        stream.gop_size = FPS
        stream.codec_context.options = {"qp": "12", "bf": "0", "sc_threshold": "0"}
        for rng in draws:
            for _ in range(FPS):
                blocks = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
                picture = np.kron(blocks, np.ones((8, 8, 1), np.uint8))
                file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Three clips as the decode stage keeps them.

    "other" shares one second with "clip", "turned" is "clip" with the seconds in another order.
    """
    directory, clips = tmp_path_factory.mktemp("clips"), {}
    for name, seeds in {"clip": (0, 1, 2), "other": (3, 1, 4), "turned": (2, 0, 1)}.items():
        write_clip(directory, name, seeds=seeds)
        paths = directory / f"{name}.wav", directory / f"{name}.mp4"
        clip = decode(*paths, seconds=SECONDS, short_side_px=48, jpeg_quality=95)
        clips[name] = (name, media.arrays(clip.waveform, clip.pictures))
    toy_shards.write(directory / "media/a.h5", clips, about={}, quarantined={})
    return media.Library(directory / "media")


def seconds(library, clip_id):
    """Return (samples, JPEG file) of each second."""
    arrays = library.read(clip_id, ["waveform", "jpeg", "jpeg_length"])
    return [
        (sound.tobytes(), jpeg)
        for sound, jpeg in zip(arrays["waveform"], media.pictures(arrays), strict=True)
    ]


def test_a_decoded_second_is_the_same_whatever_is_before_and_after_it(library):
    clip, other, turned = (seconds(library, name) for name in ("clip", "other", "turned"))
    assert other[SHARED] == clip[SHARED]
    assert turned == [clip[2], clip[0], clip[1]]
    for k in {0, 1, 2} - {SHARED}:
        assert not set(other[k]) & set(clip[k])


@pytest.fixture(scope="module", params=ENCODERS)
def encoder(request):
    tiny = import_module(f"avsc.encoders.{request.param}").TINY
    return avsc.encoders.create(request.param, **tiny)


def taken(library, clip_id, encoder):
    """Return what the encoder takes of a clip."""
    clip = library.read(clip_id, embedding.ARRAYS[encoder.modality])
    return embedding.rows(encoder, clip)


def test_what_an_encoder_makes_of_a_second_is_the_same_whatever_the_other_seconds_hold(
    library, encoder
):
    clip, other = (encoder(taken(library, name, encoder)) for name in ("clip", "other"))
    for array in clip:
        np.testing.assert_array_equal(other[array][SHARED], clip[array][SHARED])
        for k in {0, 1, 2} - {SHARED}:
            assert not np.array_equal(other[array][k], clip[array][k])


def test_what_an_encoder_makes_of_a_second_is_the_same_alone_and_at_another_place(library, encoder):
    rows = taken(library, "clip", encoder)
    clip = encoder(rows)
    alone = [encoder(rows[k : k + 1]) for k in range(SECONDS)]
    turned = encoder(taken(library, "turned", encoder))
    for array, expected in clip.items():
        separate = np.concatenate([a[array] for a in alone])
        np.testing.assert_allclose(separate, expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(turned[array], expected[[2, 0, 1]], rtol=1e-5, atol=1e-5)


def draw(shapes, *, seed):
    rng = torch.Generator().manual_seed(seed)
    return {m: 3 + 2 * torch.randn(ROWS, *shape, generator=rng) for m, shape in shapes.items()}


@pytest.fixture(scope="module", params=HEADS)
def trained(request):
    """A head, fitted as the train stage does, and rows of what it predicts from."""
    tiny = getattr(import_module(f"avsc.heads.{request.param}"), "TINY", {})
    shapes = tiny.get("dims", {"audio": (5,), "video": (4,)})
    torch.manual_seed(0)
    hparams = tiny.get("hparams", {})
    head = avsc.heads.create(request.param, dims=shapes, num_classes=CLASSES, **hparams)
    inputs = {m: shape for m, shape in shapes.items() if m not in ("events", "objects")}
    fitted = system.System(head, inputs, standardise=True)
    targets = torch.arange(ROWS) % CLASSES
    folds = []
    for seed in (0, 1):
        x = draw(shapes, seed=seed)
        labels = {m: (rows > 3).float() for m, rows in x.items() if m not in inputs}
        folds.append(Fold(x | labels, targets))
    options = {"epochs": 2, "batch_size": 10, "lr": 0.01}
    loop.fit(fitted, *folds, num_classes=CLASSES, seed=0, options=options)
    return fitted, draw(inputs, seed=2)


def test_the_probabilities_of_a_second_are_the_same_whatever_the_other_rows_hold(trained):
    fitted, x = trained
    changed = {m: -100 * rows.flip(0) for m, rows in x.items()}
    for m, rows in changed.items():
        rows[ROW] = x[m][ROW]
    found, expected = system.predict(fitted, changed), system.predict(fitted, x)
    np.testing.assert_array_equal(found[ROW], expected[ROW])
    assert not np.array_equal(found, expected)


@pytest.mark.parametrize("rows", [1, 4, ROWS - 1])
def test_the_probabilities_of_a_second_are_the_same_in_another_batch(trained, rows):
    fitted, x = trained
    found, expected = system.predict(fitted, x, rows=rows), system.predict(fitted, x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_the_probabilities_of_a_second_are_the_same_in_another_order_and_alone(trained):
    fitted, x = trained
    expected = system.predict(fitted, x)
    turned = system.predict(fitted, {m: rows.flip(0) for m, rows in x.items()})
    np.testing.assert_allclose(turned[::-1], expected, rtol=0, atol=1e-6)
    alone = system.predict(fitted, {m: rows[ROW : ROW + 1] for m, rows in x.items()})
    np.testing.assert_allclose(alone[0], expected[ROW], rtol=0, atol=1e-6)
