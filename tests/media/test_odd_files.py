"""Files as recorders, editors and transmissions leave them: read right or refused."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from avsc import recording
from avsc.media import DecodeError, signatures, sound
from tests.media import cases, corpus
from tests.media.corpus import Case

DECODE = {"sample_rate": 16000, "short_side_px": 48, "jpeg_quality": 95}


def read(path):
    return recording.read(path, None, DECODE)


def flat(found):
    return found.waveform.transpose(0, 2, 1).reshape(-1, 2)


@pytest.fixture
def tone(write_container, noise):
    """Three seconds of mp3."""

    def write(name="tone.mp3"):
        sound = noise(3, rate=16000) / 4
        return write_container(name, sound=sound, rate=16000, sound_codec="libmp3lame")

    return write


@pytest.fixture
def movie(write_container, grays, noise):
    """Three seconds of pictures, ten a second, with sound."""

    def write(name="movie.mkv", *, count=30, late_s=0.0, sound=True, **params):
        codecs = {".ts": "aac", ".mp4": "aac"}
        params.setdefault("sound_codec", codecs.get(name[name.index(".") :], "pcm_s16le"))
        return write_container(
            name,
            pictures=grays(count),
            times=late_s + np.arange(count) / 10,
            sound=noise(3, rate=16000) if sound else None,
            rate=16000,
            **params,
        )

    return write


# holes


def test_small_holes_are_silent_and_do_not_add_up(write_container, noise):
    block = noise(8, rate=16000)  # blocks of 64 ms, of which every twelfth is missing
    is_cut = np.arange(len(block)) // 1024 % 12 == 11
    path = write_container(
        "s.mkv",
        sound=block,
        rate=16000,
        sound_cut=lambda at: is_cut[round(at * 16000)],
    )
    found = read(path)
    expected = np.where(is_cut[:, None], 0, block)
    np.testing.assert_array_equal(flat(found), expected)
    assert found.notes == (f"holes in its sound, {is_cut.mean() * 8:.2f} s in all, are silent",)


def test_timestamps_rounded_to_ms_leave_no_seam(write_container, noise):
    block = noise(5, rate=44100)  # a block of 1024 samples lasts 23.22 ms
    found = sound.of(write_container("s.mkv", sound=block, rate=44100))
    np.testing.assert_array_equal(found.samples, block)
    assert found.notes == ()


def test_overlaps_are_left_out_and_do_not_add_up(tmp_path, noise):
    block = noise(4, rate=16000)
    levels = np.round(block * 2**15).astype("<i2")
    path = tmp_path / "s.mkv"
    with av.open(path, "w") as file:  # 64 ms blocks that start every 60 ms
        stream = file.add_stream("pcm_s16le", rate=16000, layout="stereo")
        for i, first in enumerate(range(0, len(block) - 1023, 1024)):
            packet = av.Packet(levels[first : first + 1024].tobytes())
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = 60 * i
            file.mux(packet)
    found = sound.of(path)
    at_3_s = int(np.flatnonzero((found.samples == block[50 * 1024]).all(axis=1))[0])
    assert abs(at_3_s / 16000 - 3) < 0.03
    assert found.seconds == pytest.approx(62 * 0.06, abs=0.03)


# declared lengths


def test_a_subtitle_that_lasts_longer_is_no_truncation(movie, indices):
    found = read(movie(subtitle_s=(1, 15)))
    assert indices(found) == [5, 15, 25]
    assert found.notes == ()


def test_a_still_picture_with_music_gives_the_second_that_has_both(movie):
    found = read(movie(count=1))
    assert (found.seconds, len(found.pictures)) == (1, 1)
    assert found.notes == ("3.0 s, of which 1 s have both sound and pictures",)


@pytest.mark.parametrize("name", ["movie.mkv", "movie.mp4", "movie.avi", "movie.flv"])
def test_a_file_cut_off_is_refused_by_its_own_length(movie, name):
    codec = {"sound_codec": "aac"} if name.endswith("flv") else {}
    path = movie(name, options={"bf": "0"}, **codec)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    expected = (
        r"movie\.\w+ at [12]\.\d+ s: the file is cut off: it says [23]\.\d+ s; fetch it again"
    )
    with pytest.raises(DecodeError, match=expected):
        read(path)


def test_an_mp3_cut_off_is_refused_by_the_length_in_its_first_frame(tone):
    path = tone()
    assert read(path).seconds == 3
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    expected = r"tone\.mp3 at [12]\.\d+ s: the file is cut off: it says 3\.\d+ s; fetch it again"
    with pytest.raises(DecodeError, match=expected):
        read(path)


def test_a_transport_stream_stopped_inside_a_packet_loses_that_packet_alone(movie):
    path = movie("movie.ts")
    path.write_bytes(path.read_bytes()[:-100])
    found = read(path)
    assert found.seconds in (2, 3)
    assert any("the end of its sound is cut off" in note for note in found.notes)


@pytest.mark.parametrize("declared", [b"\0" * 4, b"\xff" * 4])
def test_a_wav_whose_recorder_lost_its_power_is_read_to_its_end(tmp_path, noise, declared):
    levels = np.round(noise(3, rate=16000) * 2**15).astype("<i2")
    form = struct.pack("<IHHIIHH", 16, 1, 2, 16000, 64000, 4, 16)
    header = b"RIFF" + declared + b"WAVEfmt " + form + b"data" + declared
    (tmp_path / "power.wav").write_bytes(header + levels.tobytes())
    np.testing.assert_array_equal(flat(read(tmp_path / "power.wav")), levels / np.float32(2**15))


@pytest.mark.parametrize("name", ["s.flac", "s.caf"])
def test_a_sound_written_into_a_pipe_has_no_length_and_is_read_whole(write_wav, noise, name):
    block = noise(2, rate=16000)
    path = write_wav(block, 16000, name=name, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    if name == "s.flac":  # 36 bits of the first block: how many samples follow
        content[21] &= 0xF0
        content[22:26] = bytes(4)
    else:
        at = content.index(b"data") + 4
        content[at : at + 8] = b"\xff" * 8
    path.write_bytes(content)
    np.testing.assert_array_equal(flat(read(path)), block)


# clocks


JOINED = ("wav", "w64", "flac", "aiff", "caf", "mp4", "mov", "flv", "wmv", "m4a")
BY_ENDING = {case.ending: case for case in reversed(cases.FILMS + cases.SOUNDS)}


@pytest.mark.parametrize("ending", JOINED)
def test_two_files_in_one_are_refused_and_read_when_cut_there(tmp_path, ending):
    path = corpus.write(BY_ENDING[ending], tmp_path)
    one = path.read_bytes()
    path.write_bytes(one + one)
    expected = rf"at 0\.000 s: a second file begins at byte {len(one)}, expected one file; cut it"
    with pytest.raises(DecodeError, match=expected):
        read(path)
    for part in ((one + one)[: len(one)], (one + one)[len(one) :]):
        path.write_bytes(part)
        assert read(path).seconds == 3


@pytest.mark.parametrize("size", range(9, 40))
def test_a_second_file_is_found_wherever_a_block_ends(tmp_path, monkeypatch, size):
    monkeypatch.setattr(signatures, "BLOCK", size)
    path = tmp_path / "two.flac"
    path.write_bytes(b"fLaC\0\0\0\x22" + bytes(61) + b"fLaC\0\0\0\x22" + bytes(9))
    assert signatures.second_file(path) == 69
    path.write_bytes(path.read_bytes()[:-10])
    assert signatures.second_file(path) is None


def test_pictures_whose_clock_restarts_are_refused_and_read_when_cut_there(movie, indices):
    one = movie("one.ts", sound=False).read_bytes()
    path = movie("joined.ts", sound=False)
    path.write_bytes(one + one)
    expected = r"joined\.ts at 2\.\d+ s: the clock of its pictures runs back to .* s; cut the file"
    with pytest.raises(DecodeError, match=expected):
        read(path)
    path.write_bytes((one + one)[: len(one)])
    assert indices(read(path)) == [5, 15, 25]


def test_pictures_without_times_are_refused_and_read_from_an_mp4(movie, tmp_path, indices):
    path = movie("camera.h264", sound=False, options={"bf": "0"})
    expected = r"camera\.h264 at 0\.000 s: its pictures have no times; put them into an mp4, at the"
    with pytest.raises(DecodeError, match=expected):
        read(path)
    with av.open(path) as raw, av.open(tmp_path / "camera.mp4", "w") as file:
        stream = file.add_stream_from_template(raw.streams.video[0])
        for i, packet in enumerate(p for p in raw.demux(video=0) if p.size):
            packet.stream, packet.time_base = stream, Fraction(1, 10)
            packet.pts = packet.dts = i
            file.mux(packet)
    assert indices(read(tmp_path / "camera.mp4")) == [5, 15, 25]


def test_pictures_that_begin_late_give_the_seconds_of_both(movie, indices):
    found = read(movie("late.mkv", late_s=1.5))
    assert (found.start, found.seconds) == (1, 2)
    assert indices(found) == [0, 10]  # frames 0 at 1.5 s, 10 at 2.5 s
    whole = flat(read(movie("early.mkv")))
    np.testing.assert_array_equal(flat(found), whole[16000:])
    assert found.notes == ("4.4 s, of which 2 s have both sound and pictures",)


def test_sound_that_begins_late_is_silent_before_with_a_note(movie, indices):
    found = read(movie("late.mkv", sound_start=1.2))
    assert indices(found)[:3] == [5, 15, 25]
    assert not flat(found)[: round(1.2 * 16000)].any()
    np.testing.assert_array_equal(
        flat(found)[round(1.2 * 16000) : 48000], flat(read(movie()))[: 48000 - round(1.2 * 16000)]
    )
    assert found.notes[0] == "its sound starts at 1.20 s, silent before"


def test_sound_and_pictures_that_never_meet_are_refused(movie):
    expected = (
        r"pictures from 6 s on, 3 s of sound, expected a second of both; name another file, or"
    )
    with pytest.raises(DecodeError, match=expected):
        read(movie("never.mkv", late_s=7))


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_pictures_of_an_avi_are_in_the_order_of_display(movie, codec, indices):
    path = movie("b.avi", codec=codec, options={"bf": "3"})  # avi has no times of display
    np.testing.assert_allclose(indices(read(path)), [5, 15, 25], atol=1)


# what surrounds the programme

ID3 = b"ID3\4\0\0\0\0\0\x23TSSE" + bytes(0x23 - 4)
COVER = np.random.default_rng(0).bytes(2000)
PICTURE = b"ID3\3\0\0\0\0" + bytes([len(COVER) // 128, len(COVER) % 128]) + COVER
LYRICS = b"LYRICSBEGININD0000310INF00030made by somebody for somebody 000069LYRICS200"
TAG = b"TAG" + bytes(125)
APE = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 1 << 31) + bytes(8)


@pytest.mark.parametrize("tags", [LYRICS + TAG, APE, TAG, ID3, PICTURE, bytes(3000)])
def test_tags_at_the_end_of_an_mp3_are_no_damage(tone, tags):
    path = tone()
    plain = flat(read(path))
    path.write_bytes(path.read_bytes() + tags)
    np.testing.assert_array_equal(flat(read(path)), plain)


@pytest.mark.parametrize("tags", [b"", TAG, ID3, PICTURE, TAG + ID3, TAG + PICTURE])
def test_joined_mp3s_are_read_on(tone, tags):
    path = tone()
    one = path.read_bytes()
    path.write_bytes(one + tags + one)
    found = sound.of(path)
    assert found.seconds == pytest.approx(6.1, abs=0.1)
    half = sound.of(tone("one.mp3")).samples
    np.testing.assert_allclose(found.samples[: len(half) - 2000], half[:-2000], atol=1e-3)
    lag = len(found.samples) - len(half)
    shifts = [
        np.abs(found.samples[lag + s :][20000:21000] - half[20000:21000]).max()
        for s in range(-2500, 1)
    ]
    assert min(shifts) < 1e-3  # the second time is the same, an encoder's delay later


def test_broken_bytes_inside_an_mp3_are_refused(tone):
    path = tone()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes((i * 37 + 11) % 251 for i in range(2000))
    path.write_bytes(content)
    with pytest.raises(DecodeError, match=r"tone\.mp3 at 1\.\d+ s: broken audio packet .*; fetch"):
        read(path)


def test_pictures_before_the_first_keyframe_are_left_out(movie, indices):
    path = movie("midgop.ts", gop=10, options={"bf": "0"})
    content = path.read_bytes()
    with av.open(path) as file:  # cut inside the first group, between packets of the file
        third = [p for p in file.demux(video=0) if p.size][3]
    path.write_bytes(content[:564] + content[third.pos :])
    found = read(path)
    assert "pictures before the first keyframe are left out" in found.notes
    assert indices(found)[0] == 10


def test_sound_that_begins_inside_a_frame_loses_that_frame(tmp_path):
    path = corpus.write(Case("mpg", "mp2"), tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[len(content) // 5 // 2048 * 2048 :])
    found = read(path)
    assert found.seconds == 2
    assert found.notes == ("its sound begins inside a frame",)
    spectrum = np.abs(np.fft.rfft(found.waveform[-1, 0, :8000]))
    assert spectrum.argmax() * 2 in (900, 1300)


# content over names


@pytest.mark.parametrize("name", ["voice.wav", "voice.flac", "voice.aiff", "voice"])
def test_the_content_of_a_sound_decides_how_it_is_read(write_container, noise, name):
    path = write_container("voice.m4a", sound=noise(2), sound_codec="aac")
    other = path.rename(path.with_name(name))
    assert read(other).seconds == 2


@pytest.mark.parametrize("name", ["sound.mp3", "sound.dat", "sound"])
def test_a_wav_of_another_name_is_read_as_one(write_wav, noise, name):
    block = noise(2, rate=16000)
    path = write_wav(block, 16000)
    np.testing.assert_array_equal(flat(read(path.rename(path.with_name(name)))), block)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("x.gif", "gif is not taken; convert it to mp4"),
        ("x.png", "a png picture is not taken; name a video"),
        ("x.jpeg", "a jpeg picture is not taken; name a video"),
        ("x.webp", "a webp picture is not taken; name a video"),
        ("x.bmp", "a bmp picture is not taken; name a video"),
        ("x.tiff", "a tiff picture is not taken; name a video"),
    ],
)
def test_pictures_are_refused_by_their_kind(tmp_path, name, cause):
    Image.new("RGB", (64, 48)).save(tmp_path / name)
    hidden = (tmp_path / name).rename(tmp_path / "film.mp4")
    with pytest.raises(DecodeError, match=rf"film\.mp4 at 0\.000 s: {cause}"):
        read(hidden)


def test_a_gif_converted_to_mp4_is_read(tmp_path, write_container, grays, indices):
    frames = [Image.fromarray(pixels) for pixels in grays(20)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:], duration=100)
    with av.open(tmp_path / "x.gif") as file:
        shown = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    path = write_container("x.mp4", pictures=shown, times=np.arange(len(shown)) / 10)
    assert indices(read(path)) == [5, 15]


# notes


def test_clips_carry_the_notes_of_their_sound(write_container, film, clip_of, noise):
    path = write_container("s.wav", sound=noise(1, channels=6), layout="5.1")
    assert clip_of(path, film).notes == (
        "6 channels (FL+FR+FC+LFE+BL+BR) are mixed down to stereo",
    )


# remedies


def test_a_clip_of_another_length_is_read_without_a_length(write_wav, film, clip_of, noise):
    path = write_wav(noise(2), 48000)
    with pytest.raises(DecodeError, match=r"set decode\.seconds to the clips' length \(null: each"):
        clip_of(path, film, seconds=3)
    assert len(clip_of(path, film, seconds=None).pictures) == 2
    assert len(clip_of(path, film, seconds=2).pictures) == 2


def test_sound_cut_to_its_pictures_is_read(write_wav, film, clip_of, noise):
    block = noise(14, rate=8000)  # the film lasts 12 s
    with pytest.raises(DecodeError, match="leave the clip out, or cut its sound to its pictures"):
        clip_of(write_wav(block, 8000), film)
    assert len(clip_of(write_wav(block[: 12 * 8000], 8000), film).pictures) == 12


def test_sound_cut_at_a_jump_is_read_on_both_sides(write_container, noise):
    block = noise(4, rate=16000)
    parts = {
        name: write_container(name, sound=block, rate=16000, sound_cut=is_cut)
        for name, is_cut in {
            "jump.mkv": lambda at: 1.5 < at < 2,
            "before.mkv": lambda at: at > 1.5,
            "after.mkv": lambda at: at < 2,
        }.items()
    }
    with pytest.raises(
        DecodeError, match=r"the sound before ends at 1\.5\d+ s; cut the file there"
    ):
        sound.of(parts["jump.mkv"])
    assert read(parts["before.mkv"]).seconds == 1
    assert read(parts["after.mkv"]).seconds == 2


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda x: (x * 40, 16000), "expected -1 to 1; scale the sound"),
        (lambda x: (x, 2000), "expected 4000 to 192000 Hz; resample it"),
        (lambda x: (x / np.float32(0), 16000), "a sample is not finite; write the file again"),
        (lambda x: (x[:8000], 16000), "the sound lasts 0.500 s, expected at least 1 s; leave the"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_sound_written_as_expected_is_read(write_wav, film, clip_of, noise, spoil, cause):
    block = noise(2, rate=16000)
    spoilt, rate = spoil(block)
    with pytest.raises(DecodeError, match=cause):
        clip_of(write_wav(spoilt, rate, subtype="FLOAT"), film)
    assert len(clip_of(write_wav(block, 16000, subtype="FLOAT"), film).pictures) == 2
