"""Take one picture a second and keep it as JPEG (4:4:4).

The picture of second k is the frame on display at k + 0.5 s. It is stretched to square pixels,
scaled (up too, so that all pictures of a data set have the same short side) and turned as the
display matrix says.
"""

import io
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation
from jaxtyping import Int32, UInt8
from PIL import Image

from avsc.media import container
from avsc.media.container import MAX_PIXELS, check_size
from avsc.media.seeking import on_display
from avsc.media.track import DecodeError, Track, failure

SLACK_S = Fraction(1, 2)  # pictures may start so long after, or end so long before, a middle
LANCZOS = Interpolation.LANCZOS | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
SUBSAMPLING = "4:4:4"
MAX_SIDE_PX = 65_500  # of libjpeg
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def at_middles(
    track: Track, seconds: range, *, short_side_px: int, jpeg_quality: int
) -> tuple[bytes, ...]:
    """Return a JPEG for each of the `seconds`.

    Raises:
        DecodeError: if the pictures start too late, end too early, are too large for their number,
            or are broken.
    """
    _limit_pixels(track, len(seconds))
    check_span(track, seconds)
    middles = [_middle(k) for k in seconds]
    turned = [
        _turned(track.path, frame, _scaled(track, frame, short_side_px))
        for frame in on_display(track, middles)
    ]
    for middle, pixels in zip(middles, turned, strict=True):
        if pixels.shape != turned[0].shape:
            cause = f"pictures change from {turned[0].shape[:2]} to {pixels.shape[:2]} (height,"
            raise failure(track.path, middle, f"{cause} width in px); convert the file to one size")
    return tuple(_jpeg(pixels, jpeg_quality) for pixels in turned)


def _limit_pixels(track: Track, count: int) -> None:
    """Have the decoder refuse frames that are too large for their number."""
    most = min(container.MAX_PIXELS, container.MAX_CLIP_PIXELS // count)
    _check_declared(track, count, most)
    context = track.stream.codec_context
    context.options = {**context.options, "max_pixels": str(most)}


def _check_declared(track: Track, count: int, most: int) -> None:
    width, height = track.stream.codec_context.width, track.stream.codec_context.height
    if width * height > most:
        cause = f"{count} pictures of {width}x{height} px, expected at most {most} px for so many"
        raise failure(track.path, 0, f"{cause}; scale them or cut the file")


def covered(track: Track) -> tuple[int, int]:
    """Return the first second that has a picture, and the end of the last one.

    A picture may be missing for SLACK_S between it and the middle of its second.
    """
    start, end = track.span()
    half = Fraction(1, 2)
    return max(0, math.ceil(start - half - SLACK_S)), math.floor(end + half + SLACK_S)


def check_span(track: Track, seconds: range) -> None:
    """Raise DecodeError if the first or the last of the `seconds` has no picture."""
    first, last = _middle(seconds[0]), _middle(seconds[-1])
    start, end = track.span()
    within = f"(within {float(SLACK_S)} s); leave the clip out, or cut its sound to its pictures"
    if start > first + SLACK_S:
        cause = f"the pictures start here, expected one at {float(first)} s {within}"
        raise failure(track.path, start, cause)
    if end < last - SLACK_S:
        cause = f"the pictures end here, expected one at {float(last)} s {within}"
        raise failure(track.path, end, cause)


def _middle(second: int) -> Fraction:
    return Fraction(2 * second + 1, 2)


def _scaled(
    track: Track, frame: av.VideoFrame, short_side_px: int
) -> UInt8[np.ndarray, "height width 3"]:
    check_size(track.path, frame.width, frame.height)
    width = frame.width * (track.stream.sample_aspect_ratio or Fraction(1))
    scale = short_side_px / min(width, Fraction(frame.height))
    size = round(width * scale), round(frame.height * scale)
    check_size(track.path, *size)
    if max(size) > MAX_SIDE_PX:
        cause = (
            f"pictures scale to {size[0]}x{size[1]} px, expected at most {MAX_SIDE_PX} px a side"
        )
        raise failure(track.path, 0, f"{cause}, as JPEG holds; crop them")
    try:
        rgb = frame.reformat(*size, format="rgb24", interpolation=LANCZOS, threads=1)
    except av.FFmpegError as error:
        cause = f"no way from {frame.format.name} pictures to RGB ({error.strerror})"
        raise failure(track.path, 0, f"{cause}; convert the file") from error
    return rgb.to_ndarray()


def _turned(
    path: Path, frame: av.VideoFrame, pixels: UInt8[np.ndarray, "row column 3"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Apply the display matrix: a pixel at (x, y) is shown at (ax + cy, bx + dy)."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    entries: Int32[np.ndarray, " 9"] = np.frombuffer(matrix, np.int32)
    turn = np.sign(np.round(entries.reshape(3, 3)[:2, :2] / 2**16)).astype(int)
    (a, b), (c, d) = turn.tolist()
    if np.abs(turn).sum() != 2 or abs(a * d - b * c) != 1:
        cause = f"its display matrix turns by {frame.rotation} degrees, expected a multiple of 90"
        raise failure(path, 0, f"{cause}; convert the file")
    return pixels[::d, ::a] if a else pixels.swapaxes(0, 1)[::b, ::c]


def _jpeg(pixels: UInt8[np.ndarray, "height width 3"], quality: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(
        file, "JPEG", quality=quality, subsampling=SUBSAMPLING
    )
    return file.getvalue()


def picture(jpeg: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """Return the RGB pixels of a JPEG.

    Raises:
        DecodeError: if `jpeg` is not a whole JPEG, or of more than MAX_PIXELS.
    """
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            if (pixels := math.prod(image.size)) > MAX_PIXELS:
                raise DecodeError(f"a JPEG of {pixels} px, expected at most {MAX_PIXELS} px")
            return np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, *BOMBS) as error:
        raise DecodeError(
            f"{len(jpeg)} bytes are no whole JPEG ({error}); run decode again"
        ) from error
