"""Open a container once, read its packets in one pass, decode a track in one thread.

Time zero is the earliest start of any sound or picture track, exact to the tick: the players' zero.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Literal, SupportsFloat

import av

MAX_DURATION_S = 600
MAX_PIXELS = 8192 * 4320
MAX_CLIP_PIXELS = 2**31  # of all pictures of a clip, in memory at a time
MAX_BYTES = 2**30  # of a file, and of its packets unpacked
MAX_PACKETS = 1_000_000
TRUNCATED_S = 0.5  # a file may end so much before the end that it declares
# Files that stand alone. Playlists (hls, concat, dash ...) would open others, wherever these lie.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpegts,mpeg,ogg,mxf,nut,wtv,rm,dv,gxf,ivf,obu,"
    "h264,hevc,m4v,mpegvideo,mjpeg,yuv4mpegpipe,"
    "wav,w64,flac,mp3,aac,loas,ac3,eac3,dts,aiff,caf,au,amr,ape,tta,wv"
)
ALONE = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
# A length that FFmpeg takes from a bit rate is a guess; these two kinds declare theirs.
DECLARES_LENGTH = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}

Kind = Literal["audio", "video"]


class DecodeError(Exception):
    """A clip that cannot be decoded; the message names the file, the position and the cause."""


def failure(path: Path, position_s: SupportsFloat, cause: str) -> DecodeError:
    """Return the error of `path` at `position_s` (s after time zero)."""
    return DecodeError(f"{path} at {float(position_s):.3f} s: {cause}")


@dataclass(frozen=True)
class Track:
    """The packets of one track in decoding order, and their decoder."""

    path: Path
    stream: Any  # av.VideoStream or av.AudioStream
    zero: Fraction
    packets: tuple[av.Packet, ...]

    def seconds(self, ticks: int | None) -> Fraction:
        """Return the time of a timestamp of this track, in s after time zero."""
        return (ticks or 0) * self.stream.time_base - self.zero

    def span(self) -> tuple[Fraction, Fraction]:
        """Return when the track's content starts and ends, in s after time zero."""
        shown = [(self.seconds(_pts(p)), _duration(p)) for p in self.packets if not p.is_discard]
        if not shown:
            raise failure(self.path, 0, f"its {self.stream.type} track is empty; fetch it again")
        return min(at for at, _ in shown), max(at + lasts for at, lasts in shown)

    def decode(self, packets: Iterable[av.Packet]) -> Iterator[Any]:
        """Yield the frames of `packets`, then those that the decoder still holds.

        Raises:
            DecodeError: if a packet is broken.
        """
        context, at = self.stream.codec_context, Fraction(0)
        context.flush_buffers()  # an earlier call may have drained it, or stopped half-way
        context.skip_frame = "DEFAULT"
        for packet in chain(packets, [None]):
            if packet is not None:
                at = self.seconds(_pts(packet))
            try:
                yield from context.decode(packet)
            except av.FFmpegError as error:
                cause = f"broken {self.stream.type} packet ({error.strerror}); fetch the file again"
                raise failure(self.path, at, cause) from error


def _pts(packet: av.Packet) -> int | None:
    return packet.dts if packet.pts is None else packet.pts


def _duration(packet: av.Packet) -> Fraction:
    return (packet.duration or 0) * packet.time_base


def check_file(path: Path) -> None:
    """Raise DecodeError if `path` is no file, holds nothing or more than MAX_BYTES."""
    if not path.is_file():
        raise failure(path, 0, "there is no such file; check the path in the data set's csv")
    if not (size := path.stat().st_size):
        raise failure(path, 0, "the file is empty (0 bytes); fetch it again")
    if size > MAX_BYTES:
        cause = f"the file has {size} bytes, expected at most {MAX_BYTES}; cut it into clips"
        raise failure(path, 0, cause)


@contextmanager
def demuxed(path: Path, *kinds: Kind) -> Iterator[tuple[Track, ...]]:
    """Open `path` and yield its best track of each kind, read in one pass.

    "Best" is FFmpeg's choice, as in a player. The tracks decode inside the `with` only.

    Raises:
        DecodeError: if the file is missing, broken, cut off or too long, or lacks a track.
    """
    check_file(path)
    try:
        container = av.open(f"file:{path}", options=ALONE, metadata_errors="replace")
    except av.FFmpegError as error:
        cause = f"no media file that FFmpeg reads, or cut off ({error.strerror}); fetch it again"
        raise failure(path, 0, cause) from error
    with container:
        chosen = [_choose(path, container, kind) for kind in kinds]
        yield _read(path, container, chosen)


def _choose(path: Path, container: av.container.InputContainer, kind: Kind) -> Any:
    stream: Any = container.streams.best(kind)
    if stream is None or _is_cover(stream):
        found = ", ".join(s.type for s in container.streams) or "nothing"
        raise failure(path, 0, f"no {kind} track (found: {found}); name a file that has one")
    context = stream.codec_context
    if context is None:
        raise failure(path, 0, f"no decoder for its {kind} track; convert the file")
    if kind == "video":
        check_size(path, context.width, context.height)
    # One thread, for callers run clips in parallel; "explode", for FFmpeg would paint over
    # broken blocks and say so in its log alone.
    context.thread_count = 1
    context.options = {"err_detect": "explode", "max_pixels": str(MAX_PIXELS)}
    return stream


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def check_size(path: Path, width: int, height: int) -> None:
    """Raise DecodeError if a picture has no pixels or more than MAX_PIXELS."""
    if not 0 < width * height <= MAX_PIXELS:
        raise failure(
            path, 0, f"pictures of {width}x{height} px, expected 1 to {MAX_PIXELS} px; scale them"
        )


def _read(
    path: Path, container: av.container.InputContainer, chosen: list[Any]
) -> tuple[Track, ...]:
    timed: list[Any] = [
        s for s in container.streams if s.type in ("audio", "video") and not _is_cover(s)
    ]
    starts = [s.start_time * s.time_base for s in timed if s.start_time is not None]
    zero = min(starts, default=Fraction(0))
    packets: dict[int, list[av.Packet]] = {s.index: [] for s in timed}
    ends, broken, size = dict.fromkeys(packets, Fraction(0)), None, 0
    try:
        for count, packet in enumerate(container.demux(*timed)):
            size += packet.size
            if size > MAX_BYTES or count > MAX_PACKETS:
                cause = f"over {MAX_BYTES} bytes or {MAX_PACKETS} packets; cut it into clips"
                raise failure(path, max(ends.values()), cause)
            if packet.size:  # the empty ones at the end only ask for a flush
                i, end = packet.stream_index, (_pts(packet) or 0) * packet.time_base - zero
                packets[i].append(packet)
                ends[i] = max(ends[i], end + _duration(packet))
                check_duration(path, ends[i])
                broken = ends[i] if packet.is_corrupt and broken is None else broken
    except av.FFmpegError as error:
        at = max(ends.values())
        raise failure(path, at, f"cannot read on ({error.strerror}); fetch it again") from error
    declared = [(ends[s.index], (s.duration or 0) * s.time_base) for s in chosen]
    declared.append((max(ends.values()), Fraction(container.duration or 0, av.time_base)))
    if container.format.name in DECLARES_LENGTH:
        _check_whole(path, zero, declared)
    if broken is not None:
        raise failure(path, broken, "a packet is marked as broken; fetch the file again")
    return tuple(Track(path, s, zero, tuple(packets[s.index])) for s in chosen)


def check_duration(path: Path, duration_s: SupportsFloat) -> None:
    """Raise DecodeError if a file lasts longer than MAX_DURATION_S."""
    if float(duration_s) > MAX_DURATION_S:
        raise failure(
            path, MAX_DURATION_S, f"longer than {MAX_DURATION_S} s; cut the file into clips"
        )


def _check_whole(path: Path, zero: Fraction, ends: list[tuple[Fraction, Fraction]]) -> None:
    for found, declared in ends:
        # Matroska declares an end counted from 0, not from time zero.
        if max(found, found + zero) < declared - TRUNCATED_S:
            cause = f"the file is cut off: it says {float(declared):.3f} s; fetch it again"
            raise failure(path, found, cause)
