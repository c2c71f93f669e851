"""Channel layouts, and the mix of more than two channels down to stereo by ITU-R BS.775.

Left = FL + FLC + 0.7071 (FC + BL + SL) + 0.5 BC, right likewise, each divided by the sum of its
coefficients: full scale in every channel gives full scale, so the mix never clips, and its level
depends on the layout alone. LFE is dropped. 5.1 is therefore 7.7 dB below its front channels. These
are also the numbers of `ffmpeg -ac 2` for 16-bit files.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

HALF_POWER = 0.5**0.5
TO_STEREO = {  # channel: its part in left and right
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FLC": (1.0, 0.0),
    "FRC": (0.0, 1.0),
    "FC": (HALF_POWER, HALF_POWER),
    "BL": (HALF_POWER, 0.0),
    "BR": (0.0, HALF_POWER),
    "SL": (HALF_POWER, 0.0),
    "SR": (0.0, HALF_POWER),
    "BC": (0.5, 0.5),
    "LFE": (0.0, 0.0),
}
UNNAMED = "NONE"
NOT_MIXED = 2  # so many channels stay as they are, whatever their names


def of(context: Any) -> tuple[str, ...]:
    """Return the names of a decoder's channels, in order; UNNAMED where the file has no names.

    PyAV copies a layout but not the map that it may point to, and both copies free that map. So the
    decoder is given a plain count of channels in exchange.
    """
    layout = context.layout
    names = tuple(channel.name for channel in layout.channels)
    if names and layout.name not in ("mono", "stereo"):
        context.layout = f"{len(names)}C"
    return names


def mix(names: Sequence[str]) -> Float32[np.ndarray, "channel 2"] | None:
    """Return the part of each channel in left and right, or None where one is not known."""
    known = set(names) & TO_STEREO.keys()
    if not NOT_MIXED < len(names) == len(known):
        return None
    parts = np.array([TO_STEREO[name] for name in names])
    return (parts / parts.sum(axis=0).max()).astype(np.float32)


def mixed(
    block: Float32[np.ndarray, "sample channel"], parts: Float32[np.ndarray, "channel 2"]
) -> Float32[np.ndarray, "sample 2"]:
    """Return a block in stereo, summed channel by channel: the same bits for any block size."""
    stereo = np.zeros((len(block), 2), np.float32)
    for channel, part in enumerate(parts):
        stereo += block[:, channel, None] * part
    return stereo
