"""Readers of media: of any damage comes a clip or a DecodeError that names the file."""

import io
from fractions import Fraction
from random import Random

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from avsc.media import DecodeError, decode, picture
from tests.fuzz.mutations import BINARY, cases, only_documented

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800, method="thread")]

RATE = 16_000
RNG = np.random.default_rng(0)
SOUND = RNG.uniform(-0.5, 0.5, (RATE, 2)).astype(np.float32)
PICTURES = [RNG.integers(0, 255, (32, 48, 3), np.uint8) for _ in range(4)]


def container(path, codec, sound_codec):
    with av.open(path, "w") as file:
        video = file.add_stream(codec, rate=4)
        video.height, video.width = 32, 48
        video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        audio = file.add_stream(sound_codec, rate=RATE, layout="stereo")
        for i, pixels in enumerate(PICTURES):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 4)
            file.mux(video.encode(frame))
        samples = np.ascontiguousarray((SOUND * 2**15).astype(np.int16).reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        resampler = av.AudioResampler(audio.format, "stereo", RATE, audio.frame_size or None)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            file.mux(audio.encode(part))
        file.mux(video.encode(None))
    return path.read_bytes()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    made = {
        "mp4": container(folder / "clip.mp4", "libx264", "aac"),
        "mkv": container(folder / "clip.mkv", "mjpeg", "pcm_s16le"),
        "ts": container(folder / "clip.ts", "mpeg2video", "mp2"),
    }
    for kind in ("wav", "flac"):
        soundfile.write(folder / f"clip.{kind}", SOUND, RATE, subtype="PCM_16")
        made[kind] = (folder / f"clip.{kind}").read_bytes()
    return folder, made


def clip_of(audio, video):
    return decode(audio, video, seconds=1, sample_rate=RATE, short_side_px=32, jpeg_quality=90)


@cases(BINARY, share=0.1)
@pytest.mark.parametrize("kind", ["wav", "flac", "mp4"])
def test_of_damaged_sound_comes_sound_or_an_error_that_names_the_file(files, kind, damage, seed):
    folder, made = files
    path = folder / f"damaged.{kind}"
    path.write_bytes(damage(made[kind], made["wav"], Random(seed)))
    clip = only_documented(lambda p: clip_of(p, folder / "clip.mp4"), path, errors=DecodeError)
    if clip is not None:
        assert clip.waveform.shape == (1, 2, RATE)
        assert np.abs(clip.waveform).max() <= 1


@cases(BINARY, share=0.05)
@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts"])
def test_of_a_damaged_container_come_its_pictures_or_an_error(files, kind, damage, seed):
    folder, made = files
    path = folder / f"damaged.{kind}"
    path.write_bytes(damage(made[kind], made["mp4"], Random(seed)))
    clip = only_documented(lambda p: clip_of(p, p), path, errors=DecodeError)
    if clip is not None:
        assert len(clip.pictures) == 1
        assert min(picture(clip.pictures[0]).shape[:2]) == 32


def jpeg():
    file = io.BytesIO()
    Image.fromarray(PICTURES[0]).save(file, "JPEG")
    return file.getvalue()


@cases(BINARY, share=0.5)
def test_of_a_damaged_jpeg_comes_a_picture_or_an_error(damage, seed):
    try:
        pixels = picture(damage(jpeg(), jpeg(), Random(seed)))
    except DecodeError:
        return
    assert pixels.ndim == 3
