import subprocess
import sys
from dataclasses import replace

import av
import numpy as np
import pytest

from avsc.media import DecodeError, container, sound

HALF = 0.5**0.5
# ITU-R BS.775: left = FL + 0.7071 FC + 0.7071 of each surround on the left, right likewise
LEFT = {"FL": 1, "FLC": 1, "FC": HALF, "SL": HALF, "BL": HALF, "BC": 0.5}
RIGHT = {"FR": 1, "FRC": 1, "FC": HALF, "SR": HALF, "BR": HALF, "BC": 0.5}
LAYOUTS = {
    "2.1": "FL FR LFE",
    "3.0": "FL FR FC",
    "3.1": "FL FR FC LFE",
    "4.0": "FL FR FC BC",
    "quad": "FL FR BL BR",
    "5.0": "FL FR FC BL BR",
    "5.1": "FL FR FC LFE BL BR",
    "5.1(side)": "FL FR FC LFE SL SR",
    "6.1": "FL FR FC LFE BC SL SR",
    "7.1": "FL FR FC LFE BL BR SL SR",
    "7.1(wide)": "FL FR FC LFE BL BR FLC FRC",
}


def expected_stereo(block, names):
    """The mix, worked out in float64 from the table above."""
    left = sum(block[:, i] * LEFT.get(name, 0.0) for i, name in enumerate(names))
    right = sum(block[:, i] * RIGHT.get(name, 0.0) for i, name in enumerate(names))
    full = max(sum(side.get(name, 0) for name in names) for side in (LEFT, RIGHT))
    return np.stack([left, right], axis=1) / full


@pytest.mark.parametrize("name", ["s.wav", "s.mov"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_known_layouts_are_mixed_down_to_stereo(write_container, noise, layout, name):
    names = LAYOUTS[layout].split()
    block = noise(1, rate=16000, channels=len(names))
    path = write_container(name, sound=block, rate=16000, layout=layout)
    found = sound.of(path)
    np.testing.assert_allclose(found.samples, expected_stereo(block, names), atol=1e-6)
    assert len(found.notes) == 1
    assert found.notes[0].startswith(f"{len(names)} channels (FL+FR")
    assert found.notes[0].endswith("are mixed down to stereo")


@pytest.mark.parametrize("layout", ["quad", "5.1", "7.1"])
def test_the_mix_is_that_of_ffmpeg_for_16_bit_files(write_container, noise, layout):
    block = noise(1, rate=16000, channels=len(LAYOUTS[layout].split()))
    path = write_container("s.mov", sound=block, rate=16000, layout=layout)
    levels = np.round(block * 2**15).astype(np.int16).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(levels, format="s16", layout=layout)
    frame.rate = 16000
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=16000)
    parts = [f.to_ndarray() for f in (*resampler.resample(frame), *resampler.resample(None))]
    reference = np.concatenate(parts, axis=1).reshape(-1, 2) / 2**15
    np.testing.assert_allclose(sound.of(path).samples, reference, atol=2**-14)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_full_scale_in_every_channel_does_not_clip(write_container, layout):
    names = LAYOUTS[layout].split()
    block = np.full((16000, len(names)), -1, np.float32)
    path = write_container("s.mov", sound=block, rate=16000, layout=layout)
    assert sound.of(path).samples.min() == pytest.approx(-1, abs=1e-6)


def test_the_low_frequency_channel_is_dropped(write_container, noise):
    block = noise(1, rate=16000, channels=6)
    block[:, [0, 1, 2, 4, 5]] = 0
    path = write_container("s.wav", sound=block, rate=16000, layout="5.1")
    assert not sound.of(path).samples.any()


def test_channels_in_an_order_of_their_own_are_found_by_name(write_container, noise):
    block = noise(1, rate=16000, channels=6)
    found = sound.of(centre_first(write_container("s.mov", sound=block, rate=16000, layout="5.1")))
    names = ["FC", "FL", "FR", "SL", "SR", "LFE"]
    assert found.notes == ("6 channels (FC+FL+FR+SL+SR+LFE) are mixed down to stereo",)
    np.testing.assert_allclose(found.samples, expected_stereo(block, names), atol=1e-6)


def centre_first(path):
    """Declare the channels of a mov of 5.1 in the order of AAC: kCAFChannelLayoutTag_MPEG_5_1_D."""
    content = bytearray(path.read_bytes())
    at = content.rindex(b"chan") + 8
    content[at : at + 8] = (124 << 16 | 6).to_bytes(4, "big") + bytes(4)
    path.write_bytes(content)
    return path


READ = """
import pathlib, sys
from avsc.media import sound
sound.of(pathlib.Path(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("name", "codec", "changed"),
    [
        ("s.mp4", "aac", lambda path: path),  # more planes than AVFrame.data holds
        ("s.mkv", "flac", lambda path: path),
        ("s.mov", "pcm_s16le", centre_first),  # a layout that points to a map
    ],
)
def test_no_layout_ends_the_process(write_container, noise, name, codec, changed):
    layout = "5.1" if changed is centre_first else "7.1"
    block = noise(1, channels=av.AudioLayout(layout).nb_channels)
    path = changed(write_container(name, sound=block, sound_codec=codec, layout=layout))
    done = subprocess.run([sys.executable, "-c", READ, path], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("name", "layout", "found"),
    [
        ("s.mkv", "5.1", r"6 channels \(unnamed\)"),  # Matroska keeps the number alone
        ("s.wav", "3.1.2", r"6 channels \(FL\+FR\+FC\+LFE\+TFL\+TFR\)"),
        ("s.wav", "hexadecagonal", r"16 channels \(unnamed\)"),
    ],
)
def test_unknown_layouts_are_refused_before_decoding(
    write_container, noise, monkeypatch, name, layout, found
):
    channels = av.AudioLayout(layout).nb_channels
    path = write_container(name, sound=noise(1, channels=channels), layout=layout)
    monkeypatch.setattr("avsc.media.container.Track.decode", None)  # calling it would fail
    expected = rf"{name} at 0\.000 s: {found}, expected mono, stereo or a layout up to 7\.1; mix"
    with pytest.raises(DecodeError, match=expected):
        sound.of(path)


def test_unnamed_channels_mixed_to_stereo_are_read(write_wav, noise):
    block = noise(1, channels=6)
    with pytest.raises(DecodeError, match=r"6 channels \(unnamed\).*; mix the sound to stereo"):
        sound.of(write_wav(block, 48000, name="six.wav"))
    assert sound.of(write_wav(block[:, :2], 48000, name="two.wav")).samples.shape == (48000, 2)


def test_one_and_two_channels_are_not_touched(write_container, noise):
    for channels, layout in ((1, "mono"), (2, "stereo"), (2, "downmix")):
        block = noise(1, rate=16000, channels=channels)
        path = write_container("s.mov", sound=block, rate=16000, layout=layout)
        found = sound.of(path)
        np.testing.assert_array_equal(found.samples, block)
        assert found.notes == ()


def test_channels_that_the_header_does_not_announce_are_refused(write_container, noise):
    path = write_container("s.mkv", sound=noise(1, channels=6), layout="5.1")
    with container.demuxed(path, "audio") as (track,):
        announced = replace(track, layout=("FC",))
        with pytest.raises(DecodeError, match=r"6 channels \(unnamed\), expected mono, stereo or"):
            sound.from_track(announced)
