"""The lengths that files declare, against what they hold.

A length is compared with what it is the length of: a track's own with that track, a file's with all
of its tracks. A length that FFmpeg derives from a bit rate or from the last timestamp is no
declaration and is ignored.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

TRUNCATED_S = Fraction(1, 2)  # a file may end so much before the end that it declares
OF_TRACKS = ("mov,mp4,m4a,3gp,3g2,mj2", "mxf")
OF_FILES = ("flv", "asf", "wav", "w64", "aiff", "caf", "au", "ape", "tta", "wv")
CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")  # of Matroska's tags
# Name of the header, then where its flags and its number of frames lie, in bytes after the name.
XING = ((b"Xing", 7, 8), (b"Info", 7, 8), (b"VBRI", 0, 14))

Spans = Mapping[int, Fraction]


def shortfall(
    path: Path,
    container: av.container.InputContainer,
    chosen: list[Any],
    *,
    ends: Spans,
    zero: Fraction,
) -> tuple[Fraction, Fraction] | None:
    """Return where a file that is cut off ends, and where it says so; None for a whole one.

    Args:
        path: of the file.
        container: the file, read to its end.
        chosen: the tracks that are wanted.
        ends: where the packets of each stream end, in s after time zero.
        zero: time zero of the file, in s on its clock.
    """
    for found, declared in _declared(path, container, chosen, ends):
        # Matroska declares an end counted from 0, not from time zero.
        if max(found, found + zero) < declared - TRUNCATED_S:
            return found, declared
    return None


def _declared(
    path: Path, container: av.container.InputContainer, chosen: list[Any], ends: Spans
) -> list[tuple[Fraction, Fraction]]:
    name = container.format.name
    whole = max(ends.values(), default=Fraction(0)), Fraction(container.duration or 0, av.time_base)
    tracks = [(ends[s.index], (s.duration or 0) * s.time_base) for s in chosen]
    if name in OF_TRACKS:
        return tracks
    if name == "avi":  # FFmpeg shortens the duration itself; for sound the count is often wrong
        return [(ends[s.index], s.frames * s.time_base) for s in chosen if s.type == "video"]
    if name == "matroska,webm":
        tags = [_tagged(s) for s in chosen]
        own = [(ends[s.index], t) for s, t in zip(chosen, tags, strict=True) if t is not None]
        return own if len(own) == len(chosen) else [whole]
    if name == "mp3":
        return [(whole[0], _frames_of_mp3(path) * _mp3_frame(s)) for s in chosen]
    if name == "wav" and not chosen[0].codec_context.name.startswith("pcm_"):
        return []  # FFmpeg derives it from the bit rate
    if name in OF_FILES:  # FFmpeg gives each track the length of the file, from its own start on
        lasts = [s.duration * s.time_base for s in chosen if s.duration is not None]
        return [(whole[0], min(lasts, default=whole[1]))]
    return []


def _tagged(stream: Any) -> Fraction | None:
    """Return the end of a Matroska track, as its tags have it."""
    for key, value in stream.metadata.items():
        if key.startswith("DURATION") and (found := CLOCK.match(value)):
            hours, minutes, seconds = found.groups()
            return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
    return None


def _frames_of_mp3(path: Path) -> int:
    """Return how many frames the first frame of an mp3 announces; 0 where it is one of sound."""
    with path.open("rb") as f:
        head = f.read(10)
        f.seek(10 + id3_size(head) if head.startswith(b"ID3") else 0)
        frame = f.read(64)
    for name, flags, count in XING:
        at = frame.find(name)
        if at > 0 and (not flags or frame[at + flags] & 1):
            return int.from_bytes(frame[at + count : at + count + 4], "big")
    return 0


def _mp3_frame(stream: Any) -> Fraction:
    rate = stream.codec_context.sample_rate or 1
    return Fraction(1152 if rate >= 32_000 else 576, rate)


def id3_size(head: bytes) -> int:
    """Return the size of an ID3v2 tag after its ten bytes of header."""
    size = 0
    for byte in head[6:10]:  # seven bits each
        size = size << 7 | byte & 0x7F
    return size
