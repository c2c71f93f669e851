import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from avsc.media import DecodeError, picture


def corners(height=32, width=64):
    """Red top left, green top right, blue bottom left, white bottom right."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 255)
    return pixels


def test_the_picture_is_the_frame_on_display_in_the_middle_of_its_second(
    write_container, write_wav, clip_of, grays, noise, indices
):
    # 0.5 s shows the frame that starts there, 1.5 s that of 1.4 s, 2.5 s still that of 1.9 s
    times = [0, 0.1, 0.3, 0.499, 0.5, 0.501, 1.0, 1.4, 1.501, 1.9, 2.501, 3.499, 3.502, 3.9]
    video = write_container("v.mp4", pictures=grays(14), times=times)
    clip = clip_of(write_wav(noise(4), 48000), video, seconds=4)
    assert indices(clip) == [4, 7, 9, 11]


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.ts", "v.mov"])
@pytest.mark.parametrize("frames_per_bunch", [0, 2])
def test_time_zero_is_the_first_frame_of_a_container_without_sound(
    write_container, write_wav, clip_of, grays, noise, indices, name, frames_per_bunch
):
    # frames last 100 ms; the file itself may start anywhere (a transport stream does)
    video = write_container(
        name,
        pictures=grays(30),
        times=0.7 + np.arange(30) / 10,
        options={"bf": str(frames_per_bunch)},
    )
    assert indices(clip_of(write_wav(noise(3), 48000), video)) == [5, 15, 25]


def test_pictures_that_start_after_the_sound_keep_their_distance_to_it(
    write_container, clip_of, grays, noise, indices
):
    path = write_container(
        "v.mp4",
        pictures=grays(30),
        times=0.067 + np.arange(30) / 10,
        sound=noise(3),
        sound_codec="aac",
    )
    assert indices(clip_of(path)) == [4, 14, 24]  # frame 4 starts at 0.467 s, frame 5 at 0.567 s


def test_before_the_first_frame_the_first_is_shown_and_after_the_last_the_last(
    write_container, clip_of, grays, noise, indices
):
    path = write_container(
        "v.mkv", pictures=grays(10), times=0.8 + np.arange(10) / 10, sound=noise(2.9)
    )
    with pytest.raises(DecodeError, match=r"the pictures end here, expected one at 2\.5 s"):
        clip_of(path)  # 1.8 s of pictures: too short for the third second
    path = write_container(
        "w.mkv", pictures=grays(14), times=0.8 + np.arange(14) / 10, sound=noise(3)
    )
    assert indices(clip_of(path)) == [0, 7, 13]


def test_pictures_that_end_early_are_refused_with_the_position(film, write_wav, clip_of, noise):
    expected = (
        r"film\.mp4 at 11\.8\d\d s: the pictures end here, expected one at 13\.5 s "
        r"\(within 0\.5 s\); leave the clip out, or cut its sound to its pictures"
    )
    with pytest.raises(DecodeError, match=expected):
        clip_of(write_wav(noise(14, rate=8000), 8000), film)


def test_pictures_that_start_late_are_refused_with_the_position(
    write_container, clip_of, grays, noise
):
    path = write_container(
        "v.mkv", pictures=grays(10), times=1.2 + np.arange(10) / 10, sound=noise(2)
    )
    with pytest.raises(DecodeError, match=r"1\.200 s: the pictures start here, expected one at 0"):
        clip_of(path)


@pytest.mark.parametrize(
    ("entries", "shown"),
    [
        ((1, 0, 0, 1), lambda p: p),
        ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),  # a phone held upright
        ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)),
        ((0, -1, 1, 0), lambda p: np.rot90(p, 1)),
        ((-1, 0, 0, 1), np.fliplr),  # a mirror
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), lambda p: p.swapaxes(0, 1)),
        ((0, -1, -1, 0), lambda p: np.rot90(p, 2).swapaxes(0, 1)),
    ],
)
def test_the_display_matrix_is_applied(write_container, write_wav, clip_of, noise, entries, shown):
    a, b, c, d = np.array(entries) * 2**16
    matrix = [a, b, 0, c, d, 0, 0, 0, 2**30]
    video = write_container(
        "v.mp4", pictures=[corners()] * 4, times=np.arange(4) / 4, matrix=list(map(int, matrix))
    )
    clip = clip_of(write_wav(noise(1), 48000), video, short_side_px=32)
    pixels = picture(clip.pictures[0]).astype(int)
    expected = shown(corners()).astype(int)
    assert pixels.shape == expected.shape
    for y in (4, -4):
        for x in (4, -4):
            assert np.abs(pixels[y, x] - expected[y, x]).max() < 16


def test_a_display_matrix_that_is_no_quarter_turn_is_refused(
    write_container, write_wav, clip_of, noise, grays
):
    half = round(2**16 * 0.5**0.5)
    matrix = [half, half, 0, -half, half, 0, 0, 0, 2**30]
    video = write_container("v.mp4", pictures=grays(4), times=np.arange(4) / 4, matrix=matrix)
    expected = r"v\.mp4 at 0\.000 s: its display matrix turns by -?45 degrees, expected a multiple"
    with pytest.raises(DecodeError, match=expected):
        clip_of(write_wav(noise(1), 48000), video)


@pytest.mark.parametrize(
    ("height", "width", "short_side_px", "expected"),
    [
        (48, 64, 24, (24, 32)),
        (64, 48, 24, (32, 24)),
        (48, 64, 96, (96, 128)),
        (36, 64, 32, (32, 57)),  # 56.9
    ],
)
def test_the_short_side_is_as_wanted_and_the_aspect_is_kept(
    write_container, write_wav, clip_of, noise, grays, height, width, short_side_px, expected
):
    video = write_container("v.mp4", pictures=grays(4, height, width), times=np.arange(4) / 4)
    clip = clip_of(write_wav(noise(1), 48000), video, short_side_px=short_side_px)
    assert picture(clip.pictures[0]).shape == (*expected, 3)


def test_pixels_that_are_not_square_are_stretched(
    write_container, write_wav, clip_of, noise, grays
):
    # 64 pixels of 4:3 are as wide as 85.3 square ones
    video = write_container(
        "v.mp4",
        pictures=grays(4),
        times=np.arange(4) / 4,
        fields={"sample_aspect_ratio": Fraction(4, 3)},
    )
    clip = clip_of(write_wav(noise(1), 48000), video)
    assert picture(clip.pictures[0]).shape == (48, 85, 3)


def test_scaling_down_averages_what_the_pixels_cannot_show(
    write_container, write_wav, clip_of, noise
):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    video = write_container("v.mp4", pictures=[stripes] * 4, times=np.arange(4) / 4)
    pixels = picture(clip_of(write_wav(noise(1), 48000), video, short_side_px=16).pictures[0])
    assert np.abs(pixels[2:-2, 2:-2].astype(int) - 100).max() < 8


@pytest.mark.parametrize("short_side_px", [8, 24, 40, 96])
def test_pictures_are_scaled_as_pillow_scales_by_the_same_filter(
    write_container, write_wav, clip_of, noise, short_side_px
):
    y, x = np.mgrid[:48, :64]
    waves = 128 + 60 * np.sin(x / 5 + y / 9) + 40 * np.cos(y / 4)
    gray = np.repeat(waves[..., None], 3, axis=2).astype(np.uint8)  # whose colour has no edges
    video = write_container("v.mp4", pictures=[gray] * 4, times=np.arange(4) / 4)
    pixels = picture(
        clip_of(write_wav(noise(1), 48000), video, short_side_px=short_side_px).pictures[0]
    )
    size = (round(64 * short_side_px / 48), short_side_px)
    expected = np.asarray(Image.fromarray(gray).resize(size, Image.Resampling.LANCZOS))
    inside = slice(1, -1)  # beyond the edges, one repeats them and the other leaves them out
    assert np.abs(pixels.astype(int) - expected)[inside, inside].max() < 7


@pytest.mark.parametrize(
    ("space", "red_weight", "blue_weight"), [(1, 0.2126, 0.0722), (5, 0.299, 0.114)]
)
@pytest.mark.parametrize("is_full_range", [False, True])
def test_colours_follow_the_matrix_and_range_that_the_file_names(
    tmp_path, write_wav, clip_of, noise, space, red_weight, blue_weight, is_full_range
):
    y, u, v = 100, 90, 180
    write_yuv(tmp_path / "v.mp4", (y, u, v), space, color_range=2 if is_full_range else 1)
    pixels = picture(clip_of(write_wav(noise(1), 48000), tmp_path / "v.mp4").pictures[0])
    luma = y if is_full_range else (y - 16) * 255 / 219
    swing = 1 if is_full_range else 255 / 224
    red = luma + 2 * (1 - red_weight) * (v - 128) * swing
    blue = luma + 2 * (1 - blue_weight) * (u - 128) * swing
    green = (luma - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    assert np.abs(pixels.astype(int) - np.array([red, green, blue])).max() < 4


def write_yuv(path, levels, space, *, color_range):
    with av.open(path, "w") as file:
        video = file.add_stream("libx264", rate=4, options={"qp": "0"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.colorspace, video.codec_context.color_range = space, color_range
        for i in range(4):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane, level in zip(frame.planes, levels, strict=True):
                plane.update(bytes([level]) * plane.buffer_size)
            frame.pts, frame.colorspace, frame.color_range = i, space, color_range
            file.mux(video.encode(frame))
        file.mux(video.encode())


def test_pictures_are_jpegs_of_the_stated_quality_with_whole_colour(
    film, write_wav, clip_of, noise
):
    clip = clip_of(write_wav(noise(1), 48000), film, jpeg_quality=71, seconds=1)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=71)
    with Image.open(io.BytesIO(clip.pictures[0])) as image, Image.open(file) as reference:
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert image.quantization == reference.quantization
        assert JpegImagePlugin.get_sampling(image) == 0  # 4:4:4


def test_decoding_twice_gives_the_same_bytes(film, write_wav, clip_of, noise):
    wav = write_wav(noise(12), 48000)
    first, second = clip_of(wav, film), clip_of(wav, film)
    assert first.pictures == second.pictures
    np.testing.assert_array_equal(first.waveform, second.waveform)


def test_half_a_jpeg_is_refused(film, write_wav, clip_of, noise):
    (jpeg,) = clip_of(write_wav(noise(1), 48000), film, seconds=1).pictures
    with pytest.raises(DecodeError, match=r"bytes are no whole JPEG \(.*\); run decode again"):
        picture(jpeg[: len(jpeg) // 2])
    with pytest.raises(DecodeError, match="5 bytes are no whole JPEG"):
        picture(b"hello")


def test_pictures_that_change_their_shape_are_refused(tmp_path, write_wav, clip_of, noise, grays):
    pictures = [*grays(10, 48, 64), *grays(10, 64, 48)]
    with av.open(tmp_path / "v.ts", "w") as file:
        stream = file.add_stream("libx264", rate=10)
        for i, pixels in enumerate(pictures):
            if i % 10 == 0:
                encoder = av.CodecContext.create("libx264", "w")
                encoder.height, encoder.width = pixels.shape[:2]
                encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 10)
                encoder.options = {"tune": "zerolatency"}
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 10)
            for packet in encoder.encode(frame):
                packet.stream, packet.time_base = stream, Fraction(1, 10)
                file.mux(packet)
    expected = (
        r"v\.ts at 1\.500 s: pictures change from \(48, 64\) to \(64, 48\) .*; convert the file"
    )
    with pytest.raises(DecodeError, match=expected):
        clip_of(write_wav(noise(2), 48000), tmp_path / "v.ts")
