"""Decode a clip, once: sound cut into seconds at the wanted rate, and one picture a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from avsc.media import pictures, sound
from avsc.media.container import demuxed
from avsc.media.pictures import picture
from avsc.media.track import DecodeError, Track

__all__ = ["VERSION", "Clip", "DecodeError", "decode", "picture"]

VERSION = 3  # raised whenever the samples or pictures of a clip change


@dataclass(frozen=True)
class Clip:
    """A decoded clip of n whole seconds.

    Attributes:
        waveform: stereo, in [-1, 1]; each second is resampled alone.
        pictures: n JPEGs in RGB (4:4:4), the frame on display in the middle of each second.
        notes: what is odd about the files and was put right.
    """

    waveform: Float32[np.ndarray, "second channel sample"]
    pictures: tuple[bytes, ...]
    notes: tuple[str, ...] = ()


def decode(
    audio: Path,
    video: Path,
    *,
    seconds: int | None,
    sample_rate: int = 16_000,
    short_side_px: int,
    jpeg_quality: int,
) -> Clip:
    """Return the sound of `audio` and the pictures of `video`; each file is opened once.

    A container's time zero is the earliest start of its sound and pictures. Packets that no
    picture needs are not decoded, so damage there goes unnoticed.

    Args:
        audio: a sound file, or a container with a sound track (it may be `video` itself).
        video: a container with a picture track; what goes on after the last second is left out.
        seconds: what the sound must last, within 0.1 s; None takes its whole seconds, at least one.
        sample_rate: of the waveform, in Hz.
        short_side_px: short side of the pictures, to which they are scaled down or up.
        jpeg_quality: Pillow's, 1 to 95.

    Raises:
        DecodeError: if a file is missing, broken, cut off, too long, too large or too short.
    """
    with both(audio, video) as (heard, seen):
        count = sound.whole_seconds(audio, heard, seconds)
        return Clip(
            sound.segments(audio, heard, count=count, sample_rate=sample_rate),
            pictures.at_middles(
                seen, range(count), short_side_px=short_side_px, jpeg_quality=jpeg_quality
            ),
            (*heard.notes, *seen.notes),
        )


@contextmanager
def both(audio: Path, video: Path) -> Iterator[tuple[sound.Sound, Track]]:
    """Yield the sound of `audio` and the pictures of `video`; each file is opened once.

    Raises:
        DecodeError: if a file is missing, broken, cut off or too long, or lacks what is wanted.
    """
    if audio == video:
        with demuxed(video, "audio", "video") as (heard, seen):
            yield sound.from_track(heard), seen
    else:
        found = sound.of(audio)
        with demuxed(video, "video") as (seen,):
            yield found, seen
