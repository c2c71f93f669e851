"""Small pictures for a page: of a second of a clip, and of its sound."""

import io

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

DECIBELS = 10 / np.log(10)  # of a natural logarithm of power
# Black, violet, red, yellow, white: lightness grows evenly, so that it reads without colours too.
SHADES = np.array(
    [(0, 0, 4), (59, 15, 112), (140, 41, 129), (222, 73, 104), (254, 159, 109), (252, 253, 191)]
)


def thumbnail(jpeg: bytes, *, short_side_px: int, quality: int) -> bytes:
    """Return a JPEG whose short side is at most `short_side_px`."""
    with Image.open(io.BytesIO(jpeg)) as picture:
        scale = min(1.0, short_side_px / min(picture.size))
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        small = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def spectrogram(
    logmel: Float[np.ndarray, "frame mel"],
    *,
    width_px: int = 320,
    height_px: int = 64,
    range_db: float = 70.0,
) -> bytes:
    """Return a PNG of a log-mel spectrum: time to the right, frequency upwards.

    Args:
        logmel: natural logarithms of power.
        width_px: width; frames are averaged, or repeated where there are fewer.
        height_px: height, of which the same holds for bands.
        range_db: what lies so far below the loudest is black.
    """
    reach = range_db / DECIBELS
    level = np.clip((logmel - logmel.max()) / reach + 1, 0, 1)
    shades = Image.fromarray(np.round(255 * level.T[::-1]).astype(np.uint8))
    small = shades.resize((width_px, height_px), Image.Resampling.BOX)
    small.putpalette(palette().tobytes())
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def palette() -> UInt8[np.ndarray, "256 3"]:
    """Return the colour of each shade."""
    at = np.linspace(0, len(SHADES) - 1, 256)
    columns = [np.interp(at, np.arange(len(SHADES)), SHADES[:, c]) for c in range(3)]
    return np.round(np.stack(columns, axis=1)).astype(np.uint8)
