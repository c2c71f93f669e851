"""Decode any media file for inference, whichever of sound and pictures it has, of any length."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

import avsc.media
from avsc.media import container, pictures, sound
from avsc.media.track import failure


@dataclass(frozen=True)
class Recording:
    """Whole seconds of a file.

    Attributes:
        waveform: as in `media.Clip`; None without sound.
        pictures: as in `media.Clip`; empty without pictures.
        notes: what is odd about the file.
        start: the first of the seconds: pictures may begin late.
    """

    waveform: Float32[np.ndarray, "second channel sample"] | None
    pictures: tuple[bytes, ...]
    notes: tuple[str, ...]
    start: int = 0

    @property
    def seconds(self) -> int:
        """Return how many seconds there are."""
        return len(self.pictures) if self.waveform is None else len(self.waveform)

    def between(self, start: int, end: int) -> "Recording":
        """Return the rows from `start` to `end`, `end` left out."""
        waveform = None if self.waveform is None else self.waveform[start:end]
        return Recording(waveform, self.pictures[start:end], self.notes, self.start + start)


def read(path: Path, audio: Path | None, decode: Mapping[str, Any]) -> Recording:
    """Return the whole seconds of a file; one without sound or without pictures is taken as it is.

    Where one of sound and pictures starts later or ends earlier, the seconds of both are taken.

    Args:
        path: of a video, or of a sound.
        audio: where the sound comes from, if not from `path`.
        decode: what `media.decode` takes, apart from the length.

    Raises:
        DecodeError: if a file is missing, broken, cut off, too long, or shorter than a second.
    """
    tracks = _tracks(path)
    size = {k: v for k, v in decode.items() if k != "sample_rate"}
    if audio is None and tracks == {"video"}:
        return _pictures(path, size)
    if audio is None and tracks == {"audio"}:
        return _sound(path, decode["sample_rate"])
    heard_path = path if audio is None else audio
    with avsc.media.both(heard_path, path) as (heard, seen):
        heard_s = sound.whole_seconds(heard_path, heard, None)
        start, end = pictures.covered(seen)
        end = min(end, heard_s)
        if start >= end:
            cause = f"pictures from {start} s on, {heard_s} s of sound, expected a second of both"
            raise failure(path, start, f"{cause}; name another file, or give --audio")
        jpegs = pictures.at_middles(seen, range(start, end), **size)
        whole_s = max(heard.seconds, float(seen.span()[1]))
    waveform = sound.segments(
        heard_path, heard, first=start, count=end - start, sample_rate=decode["sample_rate"]
    )
    notes = [*heard.notes, *seen.notes]
    if whole_s >= end - start + 1 + sound.TOLERANCE_S:
        notes.append(f"{whole_s:.1f} s, of which {end - start} s have both sound and pictures")
    if not waveform.any():
        notes.append("its sound is silent throughout")
    return Recording(waveform, jpegs, tuple(notes), start)


def _tracks(path: Path) -> set[container.Kind]:
    """Return which of audio and video there is in a file, without reading on.

    Raises:
        DecodeError: if there is no such file, or none that FFmpeg opens.
    """
    if path.is_dir():
        raise failure(path, 0, "a folder; name the files in it")
    if not path.exists():
        raise failure(path, 0, "there is no such file; check its name")
    with container.opened(path) as file:
        kinds: tuple[container.Kind, ...] = ("audio", "video")
        found = {s.type for s in file.streams if not container.is_cover(s)}
        return {kind for kind in kinds if kind in found}


def _pictures(path: Path, size: Mapping[str, int]) -> Recording:
    with container.demuxed(path, "video") as (track,):
        end = float(track.span()[1])
        count = math.floor(end + sound.TOLERANCE_S)
        if count < 1:
            cause = f"the pictures last {end:.3f} s, expected at least 1 s; name a longer file"
            raise failure(path, end, cause)
        start = min(pictures.covered(track)[0], count - 1)
        jpegs = pictures.at_middles(track, range(start, count), **size)
        return Recording(None, jpegs, tuple(track.notes), start)


def _sound(path: Path, sample_rate: int) -> Recording:
    heard = sound.of(path)
    count = sound.whole_seconds(path, heard, None)
    waveform = sound.segments(path, heard, count=count, sample_rate=sample_rate)
    return Recording(waveform, (), heard.notes)
