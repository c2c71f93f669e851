"""A file of anybody's as sound and pictures, whichever of the two it has, of any length."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import Float32

import avsc.media
from avsc.media import DecodeError, container, pictures, sound


@dataclass(frozen=True)
class Recording:
    """The whole seconds of a file.

    Attributes:
        waveform: as in `media.Clip`; None without sound.
        pictures: as in `media.Clip`; empty without pictures.
        notes: what is odd about the file.
    """

    waveform: Float32[np.ndarray, "second channel sample"] | None
    pictures: tuple[bytes, ...]
    notes: tuple[str, ...]

    @property
    def seconds(self) -> int:
        """Return how many seconds there are."""
        return len(self.pictures) if self.waveform is None else len(self.waveform)

    def between(self, start: int, end: int) -> "Recording":
        """Return the seconds from `start` to `end`, `end` left out."""
        waveform = None if self.waveform is None else self.waveform[start:end]
        return Recording(waveform, self.pictures[start:end], self.notes)


@dataclass(frozen=True)
class Probe:
    """What the header of a file tells.

    Attributes:
        tracks: audio, video or both.
        duration_s: None where the header does not tell.
    """

    tracks: frozenset[str]
    duration_s: float | None


def probe(path: Path) -> Probe:
    """Return what there is in a file, without reading on.

    Raises:
        DecodeError: if there is no such file, or none that FFmpeg opens.
    """
    if path.is_dir():
        raise container.failure(path, 0, "a folder; name the files in it")
    if not path.exists():
        raise container.failure(path, 0, "there is no such file; check its name")
    container.check_file(path)
    try:
        # a pipe-like name such as concat:... must stay a name of a file
        with av.open(f"file:{path}", options=container.ALONE, metadata_errors="replace") as file:
            kinds = {s.type for s in file.streams if not _is_cover(s)}
            duration = None if file.duration is None else file.duration / av.time_base
    except av.FFmpegError as error:
        cause = f"no media file that FFmpeg reads, or cut off ({error.strerror}); fetch it again"
        raise container.failure(path, 0, cause) from error
    return Probe(frozenset(kinds & {"audio", "video"}), duration)


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def read(path: Path, audio: Path | None, decode: Mapping[str, Any]) -> Recording:
    """Return the whole seconds of a file; one without sound or without pictures is taken as it is.

    Args:
        path: of a video, or of a sound.
        audio: where the sound comes from, if not from `path`.
        decode: what `media.decode` takes, apart from the length.

    Raises:
        DecodeError: if a file is missing, broken, cut off, too long, or shorter than a second.
    """
    found = probe(path)
    if audio is None and found.tracks == {"video"}:
        return Recording(None, _pictures(path, decode), ())
    if audio is None and found.tracks == {"audio"}:
        return Recording(_waveform(path, decode), (), ())
    heard = path if audio is None else audio
    try:
        clip = avsc.media.decode(heard, path, seconds=None, **decode)
    except DecodeError:
        shorter = _shorter(heard, path, decode)
        if shorter is None:
            raise
        clip = shorter
    return Recording(clip.waveform, clip.pictures, tuple(_notes(clip, found.duration_s)))


def _notes(clip: avsc.media.Clip, duration_s: float | None) -> list[str]:
    seconds, notes = len(clip.waveform), []
    if duration_s is not None and duration_s >= seconds + 1 + sound.TOLERANCE_S:
        notes.append(f"{duration_s:.1f} s, of which {seconds} s have both sound and pictures")
    if not clip.waveform.any():
        notes.append("its sound is silent throughout")
    return notes


def _shorter(audio: Path, video: Path, decode: Mapping[str, Any]) -> avsc.media.Clip | None:
    """Return the seconds that have both where pictures end before the sound, None elsewhere."""
    rest = {k: v for k, v in decode.items() if k != "sample_rate"}
    native, rate = sound.of(audio)
    heard = sound.whole_seconds(audio, native, rate, None)
    with container.demuxed(video, "video") as (track,):
        count = min(heard, math.floor(track.span()[1] + Fraction(1, 2) + pictures.SLACK_S))
        if not 0 < count < heard:
            return None
        shown = pictures.at_middles(track, count, **rest)
    waveform = sound.segments(audio, native, rate, count=count, sample_rate=decode["sample_rate"])
    return avsc.media.Clip(waveform, shown)


def _pictures(path: Path, decode: Mapping[str, Any]) -> tuple[bytes, ...]:
    rest = {k: v for k, v in decode.items() if k != "sample_rate"}
    with container.demuxed(path, "video") as (track,):
        end = float(track.span()[1])
        count = math.floor(end + sound.TOLERANCE_S)
        if count < 1:
            cause = f"the pictures last {end:.3f} s, expected at least 1 s; name a longer file"
            raise container.failure(path, end, cause)
        return pictures.at_middles(track, count, **rest)


def _waveform(
    path: Path, decode: Mapping[str, Any]
) -> Float32[np.ndarray, "second channel sample"]:
    native, rate = sound.of(path)
    count = sound.whole_seconds(path, native, rate, None)
    return sound.segments(path, native, rate, count=count, sample_rate=decode["sample_rate"])
