"""Makers of sound files and containers; times are in s, sound is (sample, channel)."""

from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile

from avsc.media import decode, picture

MS = Fraction(1, 1000)
HEIGHT, WIDTH = 48, 64


@pytest.fixture
def write_wav(tmp_path):
    def write(sound, rate, *, name="clip.wav", subtype="PCM_24"):
        soundfile.write(tmp_path / name, sound, rate, subtype=subtype)
        return tmp_path / name

    return write


@pytest.fixture
def write_container(tmp_path):
    """A container of RGB pictures, each shown from its time on, and of sound, if any."""

    def write(
        name="clip.mp4",
        *,
        pictures=(),
        times=(),
        sound=None,
        rate=48000,
        sound_codec="pcm_s16le",
        sound_start=0.0,
        sound_cut=lambda _: False,
        layout=None,
        subtitle_s=None,
        gop=12,
        codec="libx264",
        options=None,
        fields=None,
        matrix=None,
        movflags="faststart",
    ):
        flags = {"movflags": movflags} if movflags and name.endswith(("mp4", "mov")) else {}
        with av.open(tmp_path / name, "w", options=flags) as file:
            streams = []
            if len(pictures):
                video = file.add_stream(codec, rate=25)
                video.height, video.width = pictures[0].shape[:2]
                video.pix_fmt, video.gop_size = "yuv420p", gop
                video.codec_context.time_base = MS
                video.codec_context.options = {"crf": "4", "preset": "veryfast", **(options or {})}
                for key, value in (fields or {}).items():
                    setattr(video.codec_context, key, value)
                if matrix is not None:
                    video.set_display_matrix(matrix)
                streams.append((video, _pictures(pictures, times)))
            if sound is not None:
                audio = file.add_stream(sound_codec, rate=rate)
                audio.layout = layout or ["mono", "stereo"][sound.shape[1] - 1]
                streams.append((audio, _blocks(sound, rate, sound_start, audio, sound_cut)))
            if subtitle_s is not None:
                written = file.add_mux_stream("subrip")
                file.mux(_subtitle(written, *subtitle_s))
            for stream, frames in streams:
                for frame in (*frames, None):
                    for packet in stream.encode(frame):
                        file.mux(packet)
        return tmp_path / name

    return write


def _pictures(pictures, times):
    for pixels, time in zip(pictures, times, strict=True):
        whole = np.ascontiguousarray(pixels)
        frame = av.VideoFrame.from_ndarray(whole, format="rgb24")
        frame.pts, frame.time_base = round(time * 1000), MS
        yield frame


def _subtitle(stream, start_s, end_s):
    packet = av.Packet(b"hello")
    packet.stream, packet.time_base = stream, MS
    packet.pts = packet.dts = 1000 * start_s
    packet.duration = 1000 * (end_s - start_s)
    return packet


def _blocks(sound, rate, start, stream, is_cut):
    sample_format = stream.format
    if sound.shape[1] > 7:  # PyAV cannot fill more planes; it converts packed samples itself
        sample_format = sample_format.packed
    for first in range(0, len(sound), 1024):
        block = sound[first : first + 1024].astype(np.float32)
        if is_cut(first / rate):
            continue
        if sample_format.name.startswith("s"):
            bits = 8 * sample_format.bytes
            block = np.round(block * 2.0 ** (bits - 1)).astype(f"int{bits}")
        planar = sample_format.is_planar
        samples = np.ascontiguousarray(block.T if planar else block.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(samples, format=sample_format.name, layout=stream.layout)
        frame.rate, frame.pts = rate, first + round(start * rate)
        frame.time_base = Fraction(1, rate)
        yield frame


@pytest.fixture
def grays():
    """`count` flat pictures whose gray level, 20 + 8·(i mod 28), tells their index."""

    def make(count, height=HEIGHT, width=WIDTH):
        return [np.full((height, width, 3), 20 + 8 * (i % 28), np.uint8) for i in range(count)]

    return make


@pytest.fixture
def noise():
    """Stereo noise in 16 bits, so that 16-bit and 24-bit files hold it exactly."""

    def make(seconds, rate=48000, channels=2, seed=0):
        rng = np.random.default_rng(seed)
        sound = rng.uniform(-0.4, 0.4, (round(seconds * rate), channels))
        return (np.round(sound * 2**15) / 2**15).astype(np.float32)

    return make


@pytest.fixture
def film(write_container, grays):
    """Twelve seconds of gray pictures at 5 a second, without sound."""
    return write_container("film.mp4", pictures=grays(60), times=np.arange(60) / 5)


@pytest.fixture
def waveform(film):
    """The waveform of a sound file or container."""

    def read(audio, *, seconds=None, **params):
        return run(audio, film, seconds=seconds, **params).waveform

    return read


@pytest.fixture
def indices():
    """The index that the gray level of each of a clip's pictures tells."""

    def read(clip):
        levels = [picture(jpeg).mean() for jpeg in clip.pictures]
        steps = [(level - 20) / 8 for level in levels]
        assert np.abs(np.subtract(steps, np.round(steps))).max() < 0.45
        return np.round(steps).astype(int).tolist()

    return read


@pytest.fixture
def clip_of():
    return run


def run(audio, video=None, *, seconds=None, short_side_px=HEIGHT, jpeg_quality=95, **params):
    return decode(
        audio,
        video or audio,
        seconds=seconds,
        short_side_px=short_side_px,
        jpeg_quality=jpeg_quality,
        **params,
    )
