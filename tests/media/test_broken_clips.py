import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from avsc.media import DecodeError, container, seeking, sound


@pytest.fixture
def own_sound(write_container, grays, noise):
    """Six seconds of pictures with their own sound."""

    def write(name="own.mp4", sound_codec="aac", **params):
        rng = np.random.default_rng(0)
        pictures = [p ^ rng.integers(0, 8, p.shape, dtype=np.uint8) for p in grays(60)]
        return write_container(
            name,
            pictures=pictures,
            times=np.arange(60) / 10,
            sound=noise(6),
            sound_codec=sound_codec,
            **params,
        )

    return write


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def scratch(path, kind, at):
    """Flip bits in the middle of the packet that starts `at` s after the start."""
    with av.open(path) as file:
        stream = file.streams.best(kind)
        packet = next(p for p in file.demux(stream) if p.size and p.pts * p.time_base >= at)
    content = bytearray(path.read_bytes())
    middle = packet.pos + packet.size // 2
    for i in range(packet.pos + packet.size // 4, middle):
        content[i] ^= 0x5A
    path.write_bytes(content)
    return path


def test_a_clip_with_its_own_sound_is_opened_once(own_sound, clip_of, monkeypatch):
    path, opened, av_open = own_sound(), [], av.open
    monkeypatch.setattr(av, "open", lambda *a, **k: opened.append(a) or av_open(*a, **k))
    clip = clip_of(path, seconds=6)
    assert len(opened) == 1
    assert clip.waveform.shape == (6, 2, 16000)
    assert len(clip.pictures) == 6


def test_clips_decode_in_threads_as_they_do_alone(own_sound, clip_of):
    path = own_sound()
    alone = clip_of(path)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(clip_of, [path] * 4))
    assert all(c.pictures == alone.pictures for c in together)
    assert all(np.array_equal(c.waveform, alone.waveform) for c in together)


def test_tags_that_are_not_utf_8_do_no_harm(own_sound, clip_of):
    path = own_sound()
    path.write_bytes(path.read_bytes().replace(b"VideoHandler", b"Vid\xe9oHandler"))
    assert len(clip_of(path).pictures) == 6


@pytest.mark.parametrize("suffix", ["wav", "mp4"])
def test_a_missing_file_is_named(tmp_path, film, clip_of, suffix):
    with pytest.raises(
        DecodeError, match=rf"no\.{suffix} at 0\.000 s: there is no such file; chec"
    ):
        clip_of(tmp_path / f"no.{suffix}", film)


@pytest.mark.parametrize("suffix", ["wav", "mp4"])
def test_an_empty_file_is_named(tmp_path, film, clip_of, suffix):
    path = tmp_path / f"empty.{suffix}"
    path.touch()
    with pytest.raises(DecodeError, match=rf"empty\.{suffix} at .*the file is empty \(0 bytes\)"):
        clip_of(path, film)


def test_text_is_no_sound_and_no_container(tmp_path, film, clip_of):
    (tmp_path / "text.wav").write_text("hello" * 100)
    (tmp_path / "text.mp4").write_text("hello" * 100)
    with pytest.raises(DecodeError, match=r"text\.wav at .*no media file that FFmpeg reads"):
        clip_of(tmp_path / "text.wav", film)
    with pytest.raises(DecodeError, match=r"text\.mp4 at .*no media file that FFmpeg reads"):
        clip_of(tmp_path / "text.mp4")


def test_a_wav_cut_off_in_its_samples_is_refused_though_its_length_is_free(
    write_wav, film, clip_of, noise
):
    path = write_wav(noise(4), 48000)
    path.write_bytes(path.read_bytes()[: 44 + 6 * 120_000])
    expected = r"clip\.wav at 2\.500 s: the file is cut off: it says 4\.000 s; fetch it again"
    with pytest.raises(DecodeError, match=expected):
        clip_of(path, film)


def test_a_wav_cut_off_in_its_header_is_refused(write_wav, film, clip_of, noise):
    path = write_wav(noise(1), 48000)
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(DecodeError, match=r"clip\.wav at .*no media file that FFmpeg reads, or"):
        clip_of(path, film)


def test_a_wav_from_a_pipe_that_does_not_say_its_length_is_read_whole(
    write_wav, film, clip_of, noise
):
    path = write_wav(noise(2), 48000)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4
    path.write_bytes(content)
    assert len(clip_of(path, film).waveform) == 2


def test_a_flac_cut_off_is_refused(write_wav, film, clip_of, noise):
    path = cut(write_wav(noise(4), 48000, name="clip.flac"), 0.6)
    with pytest.raises(DecodeError, match=r"clip\.flac at .* cut off"):
        clip_of(path, film)


@pytest.mark.parametrize("name", ["own.mp4", "own.mkv"])
def test_a_container_cut_off_is_refused_with_the_position(own_sound, clip_of, name):
    expected = r"own\..* at [23]\.\d+ s: the file is cut off: it says 6\.0\d\d s; fetch it again"
    with pytest.raises(DecodeError, match=expected):
        clip_of(cut(own_sound(name), 0.5))


def test_a_container_without_its_index_is_refused(own_sound, clip_of):
    with pytest.raises(DecodeError, match="no media file that FFmpeg reads, or cut off"):
        clip_of(cut(own_sound(movflags=""), 0.9))


def test_a_container_without_sound_is_refused(film, clip_of):
    expected = r"film\.mp4 at .*: no audio track \(found: video\); name a file that has one"
    with pytest.raises(DecodeError, match=expected):
        clip_of(film)


def test_a_container_without_pictures_is_refused(write_container, clip_of, noise):
    path = write_container("s.mp4", sound=noise(1), sound_codec="aac")
    with pytest.raises(DecodeError, match=r"no video track \(found: audio\); name a file"):
        clip_of(path)


def test_a_codec_that_is_not_known_is_refused(own_sound, clip_of):
    path = own_sound()
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(DecodeError, match=r"own\.mp4 at .*no decoder for its video track; convert"):
        clip_of(path)


def set_sample_size(path, entry, size):
    """Falsify the index of the last track of an mp4."""
    content = bytearray(path.read_bytes())
    at = content.rindex(b"stsz") + 16 + 4 * entry
    content[at : at + 4] = size.to_bytes(4, "big")
    path.write_bytes(content)
    return path


def test_an_index_that_asks_for_too_much_is_refused(own_sound, clip_of):
    expected = r"own\.mp4 at 1\.\d+ s: cannot read on \(Cannot allocate memory\); fetch it again"
    with pytest.raises(DecodeError, match=expected):
        clip_of(set_sample_size(own_sound(), 50, 0x2FFF0000))


def test_a_track_that_ends_before_the_other_and_its_own_length_is_refused(own_sound, clip_of):
    expected = r"own\.mp4 at 1\.0\d+ s: the file is cut off: it says 6\.0\d\d s; fetch it again"
    with pytest.raises(DecodeError, match=expected):
        clip_of(set_sample_size(own_sound(), 50, 0x7FFFFFFF))


def test_a_transport_stream_with_a_hole_is_refused_with_the_position(own_sound, clip_of):
    path = own_sound("own.ts")
    packets = [path.read_bytes()[i : i + 188] for i in range(0, path.stat().st_size, 188)]
    half = len(packets) // 2
    inside = next(  # a packet of the pictures (id 256) that starts no picture
        i for i in range(half, len(packets)) if packets[i][1:3] == bytes([256 >> 8, 0])
    )
    path.write_bytes(b"".join(packets[:inside] + packets[inside + 1 :]))
    expected = r"own\.ts at [23]\.\d+ s: a packet is marked as broken; fetch the file again"
    with pytest.raises(DecodeError, match=expected):
        clip_of(path)


def test_sound_that_changes_its_channels_is_refused(write_container, film, clip_of, noise):
    parts = [
        write_container(name, sound=noise(1.0, channels=channels), sound_codec="aac")
        for name, channels in (("mono.aac", 1), ("stereo.aac", 2))
    ]
    path = parts[0].with_name("both.aac")
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    expected = r"both\.aac at 1\.0\d+ s: .*changes from \(48000, 1\) to \(48000, 2\); convert"
    with pytest.raises(DecodeError, match=expected):
        clip_of(path, film)


def test_a_track_without_packets_is_refused(own_sound):
    with container.demuxed(own_sound(), "audio", "video") as tracks:
        heard, seen = (replace(track, packets=()) for track in tracks)
        with pytest.raises(DecodeError, match="its sound track holds no sound; name a file that"):
            sound.from_track(heard)
        with pytest.raises(DecodeError, match="its video track holds no picture; leave the clip"):
            seeking.on_display(seen, [Fraction(1, 2)])
        with pytest.raises(DecodeError, match="its video track is empty; fetch it again"):
            seen.span()


def test_a_longer_sound_track_that_is_not_asked_for_does_no_harm(
    write_wav, clip_of, noise, write_container, grays, indices
):
    path = write_container(
        "v.mp4",
        pictures=grays(20),
        times=np.arange(20) / 10,
        sound=noise(4),
        sound_codec="aac",
    )
    assert indices(clip_of(write_wav(noise(2), 48000), path)) == [5, 15]


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_a_broken_packet_is_an_error_with_its_position(own_sound, clip_of, kind):
    expected = rf"own\.mp4 at 2\.\d+ s: broken {kind} packet \(Invalid data .*\); fetch the file"
    with pytest.raises(DecodeError, match=expected):
        clip_of(scratch(own_sound(gop=60, options={"bf": "0"}), kind, at=2))


def test_damage_that_no_picture_needs_goes_unnoticed(own_sound, clip_of):
    whole = clip_of(own_sound("whole.mp4", gop=10))
    scratched = clip_of(scratch(own_sound(gop=10), "video", at=2.9))
    assert scratched.pictures == whole.pictures


def test_pictures_of_too_many_pixels_are_refused(own_sound, clip_of, monkeypatch):
    path = own_sound()
    with pytest.raises(DecodeError, match=r"pictures of .* px, expected 1 to 35389440 px; scale"):
        clip_of(path, short_side_px=10**5)
    monkeypatch.setattr(container, "MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(DecodeError, match=r"pictures of 64x48 px, expected 1 to 3071 px; scale"):
        clip_of(path)


def test_a_file_that_lasts_too_long_is_refused(write_wav, film, clip_of):
    long = write_wav(np.zeros((601 * 4000, 1)), 4000, name="long.wav")
    with pytest.raises(DecodeError, match=r"long\.wav at 600\.000 s: longer than 600 s; cut the"):
        clip_of(long, film)


def test_a_container_that_lasts_too_long_is_refused(own_sound, clip_of, monkeypatch):
    monkeypatch.setattr(container, "MAX_DURATION_S", 5)
    with pytest.raises(DecodeError, match=r"own\.mp4 at 5\.000 s: longer than 5 s; cut the file"):
        clip_of(own_sound())


def test_ffmpeg_writes_nothing_to_the_terminal(own_sound, clip_of, capfd):
    broken = scratch(own_sound(), "video", at=0)
    with pytest.raises(DecodeError):
        clip_of(broken)
    assert capfd.readouterr() == ("", "")


def test_an_error_survives_the_way_out_of_a_process(tmp_path, film, clip_of):
    with pytest.raises(DecodeError) as caught:
        clip_of(tmp_path / "no.wav", film)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (DecodeError, str(caught.value))
