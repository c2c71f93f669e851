"""Media of strangers: small files that stand for a lot are refused before they are unpacked."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from avsc.media import DecodeError, container, picture, pictures, sound


def test_a_file_of_too_many_bytes_is_refused_unread(tmp_path, film, clip_of):
    path = tmp_path / "long.wav"
    with path.open("wb") as f:
        f.truncate(2**30 + 1)  # a hole: it takes no room
    expected = r"long\.wav at .* has 1073741825 bytes, expected at most 1073741824; cut it into"
    with pytest.raises(DecodeError, match=expected):
        clip_of(path, film)


def test_packets_that_unpack_to_too_many_bytes_are_refused(film, monkeypatch):
    with av.open(film) as file:
        size = sum(packet.size for packet in file.demux(video=0))
    monkeypatch.setattr(container, "check_file", lambda _: None)
    monkeypatch.setattr(container, "MAX_BYTES", size - 1)
    expected = r"film\.mp4 at 1[12]\.\d+ s: over \d+ bytes or 1000000"
    with pytest.raises(DecodeError, match=expected), container.demuxed(film, "video"):
        pass


def test_too_many_packets_are_refused(film, clip_of, write_wav, monkeypatch):
    monkeypatch.setattr(container, "MAX_PACKETS", 30)
    with pytest.raises(DecodeError, match=r"film\.mp4 at 6\.\d+ s: over .* or 30 packets; cut it"):
        clip_of(write_wav(np.zeros((48000, 2)), 48000), film)


def test_pictures_that_grow_on_the_way_are_never_decoded(film, monkeypatch):
    monkeypatch.setattr(container, "MAX_PIXELS", 64 * 48 - 1)
    monkeypatch.setattr(container, "check_size", lambda *_: None)  # as if the header said less
    with (
        container.demuxed(film, "video") as (track,),
        pytest.raises(DecodeError, match=r"film\.mp4 at .* broken video packet"),
    ):
        pictures.on_display(track, [Fraction(1, 2)])


def test_a_long_clip_of_large_pictures_is_refused_undecoded(film, clip_of, write_wav, monkeypatch):
    monkeypatch.setattr(container, "MAX_CLIP_PIXELS", 10 * 64 * 48 - 1)
    expected = r"film\.mp4 at 0\.000 s: 10 pictures of 64x48 px, expected at most 3071 px for so"
    with pytest.raises(DecodeError, match=expected):
        clip_of(write_wav(np.zeros((480_000, 2)), 48_000), film)


def test_pictures_too_large_for_their_number_are_never_decoded_whatever_is_declared(
    film, monkeypatch
):
    monkeypatch.setattr(container, "MAX_CLIP_PIXELS", 64 * 48 - 1)
    with container.demuxed(film, "video") as (track,):
        monkeypatch.setattr(pictures, "_check_declared", lambda *_: None)
        with pytest.raises(DecodeError, match=r"film\.mp4 at .* broken video packet"):
            pictures.at_middles(track, range(1), short_side_px=48, jpeg_quality=90)


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile {}\n"


@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
@pytest.mark.parametrize(("name", "text"), [("a.m3u8", HLS), ("a.mp4", HLS), ("a.mp4", CONCAT)])
def test_a_playlist_opens_no_other_file(
    write_container, grays, noise, tmp_path, name, text, relative
):
    other = write_container(
        "other.ts",
        pictures=grays(8),
        times=np.arange(8) / 4,
        sound=noise(2),
        sound_codec="aac",
    )
    with container.demuxed(other, "audio", "video"):
        pass
    (tmp_path / name).write_text(text.format(other.name if relative else other))
    expected = rf"{name} at 0\.000 s: a playlist is not taken; name the file that it plays"
    with pytest.raises(DecodeError, match=expected), container.demuxed(tmp_path / name, "video"):
        pass


def test_sound_that_lasts_longer_than_its_timestamps_say_is_refused(
    write_container, noise, monkeypatch
):
    path = write_container("s.mka", sound=noise(2), sound_codec="flac")
    with container.demuxed(path, "audio") as (track,):
        monkeypatch.setattr(container, "MAX_DURATION_S", 1)
        with pytest.raises(DecodeError, match=r"s\.mka at 1\.000 s: longer than 1 s; cut the file"):
            sound.from_track(track)


def jpeg(width, height):
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "JPEG", quality=1)
    return file.getvalue()


def test_a_small_jpeg_of_many_pixels_is_refused(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 100 * 100)
    assert picture(jpeg(100, 100)).shape == (100, 100, 3)
    with pytest.raises(DecodeError, match="a JPEG of 10100 px, expected at most 10000 px"):
        picture(jpeg(101, 100))


def test_a_jpeg_that_pillow_takes_for_a_bomb_is_refused():
    content = bytearray(jpeg(8, 8))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(DecodeError, match=r"no whole JPEG \(Image size \(4294836225 pixels\)"):
        picture(bytes(content))


def test_every_frame_of_an_all_intra_film_is_looked_up_once(write_container, grays, clip_of, noise):
    """A quadratic search took minutes for ten minutes of keyframes; here every frame is one."""
    path = write_container(
        "intra.mp4",
        pictures=grays(40),
        times=np.arange(40) / 20,
        gop=1,
        sound=noise(2),
        sound_codec="aac",
    )
    assert len(clip_of(path, seconds=2).pictures) == 2


def test_picture_that_scales_beyond_the_width_of_a_jpeg_is_refused(
    write_container, clip_of, write_wav
):
    wide = np.zeros((16, 4000, 3), np.uint8)
    path = write_container("wide.mp4", pictures=[wide, wide], times=[0.0, 0.5])
    sound = write_wav(np.zeros((16000, 2)), 16000)
    expected = r"wide\.mp4 at 0\.000 s: pictures scale to 65750x263 px, expected at most 65500 px"
    with pytest.raises(DecodeError, match=expected):
        clip_of(sound, path, short_side_px=263)
    assert len(clip_of(sound, path, short_side_px=262).pictures) == 1
