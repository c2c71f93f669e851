"""Open a container once, read its packets in one pass, decode a track in one thread.

Time zero is the earliest start of any sound or picture track, exact to the tick: the players' zero.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, Literal, SupportsFloat

import av

from avsc.media import channels, lengths, signatures
from avsc.media.packets import BARE, OPEN, from_keyframe, without_tags

MAX_DURATION_S = 600
MAX_PIXELS = 8192 * 4320
MAX_CLIP_PIXELS = 2**31  # of all pictures of a clip, in memory at a time
MAX_BYTES = 2**30  # of a file, and of its packets unpacked
MAX_PACKETS = 1_000_000
MAX_BACK_S = Fraction(1, 10)  # the clock of a picture track may run back by so much
# Files that stand alone. Playlists (hls, concat, dash ...) would open others, wherever these lie.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpegts,mpeg,ogg,mxf,nut,wtv,rm,dv,gxf,ivf,obu,"
    "h264,hevc,m4v,mpegvideo,mjpeg,yuv4mpegpipe,"
    "wav,w64,flac,mp3,aac,loas,ac3,eac3,dts,aiff,caf,au,amr,ape,tta,wv"
)
ALONE = {"protocol_whitelist": "file", "format_whitelist": FORMATS}

Kind = Literal["audio", "video"]


class DecodeError(Exception):
    """A clip that cannot be decoded; the message names the file, the position and the cause."""


def failure(path: Path, position_s: SupportsFloat, cause: str) -> DecodeError:
    """Return the error of `path` at `position_s` (s after time zero)."""
    return DecodeError(f"{path} at {float(position_s):.3f} s: {cause}")


@dataclass(frozen=True)
class Track:
    """The packets of one track in decoding order, and their decoder.

    Attributes:
        path: of the file.
        stream: av.VideoStream or av.AudioStream.
        zero: time zero of the file, on the clock of the track.
        packets: from the first that can be decoded on.
        layout: names of the channels of a sound track.
        is_counted: timestamps are no measurement: FFmpeg counts the packets of such a file.
        is_open: the file declares no length, and may have been stopped inside its last packet.
        notes: what is odd about the track and was put right; decoding may add to them.
    """

    path: Path
    stream: Any
    zero: Fraction
    packets: tuple[av.Packet, ...]
    layout: tuple[str, ...] = ()
    is_counted: bool = False
    is_open: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def named(self) -> str:
        """Return what the track holds, for people."""
        return "sound" if self.stream.type == "audio" else "pictures"

    def seconds(self, ticks: int) -> Fraction:
        """Return the time of a timestamp of this track, in s after time zero."""
        return ticks * self.stream.time_base - self.zero

    def span(self) -> tuple[Fraction, Fraction]:
        """Return when the track's content starts and ends, in s after time zero."""
        shown = [
            (self.seconds(at), _duration(p))
            for p in self.packets
            if not p.is_discard and (at := _ticks(p)) is not None
        ]
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
            if packet is not None and (ticks := _ticks(packet)) is not None:
                at = self.seconds(ticks)
            try:
                yield from context.decode(packet)
            except av.FFmpegError as error:
                if self.is_open and packet is self.packets[-1]:
                    self.notes.append(f"the last packet of its {self.named} is cut off")
                    return
                cause = f"broken {self.stream.type} packet ({error.strerror}); fetch the file again"
                raise failure(self.path, at, cause) from error


def _ticks(packet: av.Packet) -> int | None:
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
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """Open `path` as a container that stands alone.

    Raises:
        DecodeError: if the file is missing, empty, too large, or of a kind that is not taken.
    """
    check_file(path)
    try:  # "file:", for a name such as concat:... must stay the name of a file
        container = av.open(f"file:{path}", options=ALONE, metadata_errors="replace")
    except av.FFmpegError as error:
        cause = f"no media file that FFmpeg reads, or cut off ({error.strerror}); fetch it again"
        raise failure(path, 0, signatures.refusal(path) or cause) from error
    with container:
        yield container


@contextmanager
def demuxed(path: Path, *kinds: Kind) -> Iterator[tuple[Track, ...]]:
    """Open `path` and yield its best track of each kind, read in one pass.

    "Best" is FFmpeg's choice, as in a player. The tracks decode inside the `with` only.

    Raises:
        DecodeError: if the file is missing, broken, cut off or too long, or lacks a track.
    """
    with opened(path) as container:
        chosen = [_choose(path, container, kind) for kind in kinds]
        layouts = [channels.of(s.codec_context) if s.type == "audio" else () for s in chosen]
        zero, packets = _read(path, container, chosen)
        yield tuple(
            _track(Track(path, s, zero, tuple(packets[s.index]), layout), container.format.name)
            for s, layout in zip(chosen, layouts, strict=True)
        )


def _choose(path: Path, container: av.container.InputContainer, kind: Kind) -> Any:
    stream: Any = container.streams.best(kind)
    if stream is None or is_cover(stream):
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


def is_cover(stream: Any) -> bool:
    """Return whether a picture track is the cover of a sound."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def check_size(path: Path, width: int, height: int) -> None:
    """Raise DecodeError if a picture has no pixels or more than MAX_PIXELS."""
    if not 0 < width * height <= MAX_PIXELS:
        raise failure(
            path, 0, f"pictures of {width}x{height} px, expected 1 to {MAX_PIXELS} px; scale them"
        )


def _read(
    path: Path, container: av.container.InputContainer, chosen: list[Any]
) -> tuple[Fraction, dict[int, list[av.Packet]]]:
    """Return time zero and the packets of each sound and picture track."""
    timed: list[Any] = [
        s for s in container.streams if s.type in ("audio", "video") and not is_cover(s)
    ]
    others = [s for s in container.streams if s.type in ("subtitle", "data")]
    known = [s.start_time * s.time_base for s in timed if s.start_time is not None]
    zero = min(known, default=Fraction(0))
    packets: dict[int, list[av.Packet]] = {s.index: [] for s in timed}
    ends, size = dict.fromkeys((s.index for s in (*timed, *others)), Fraction(0)), 0
    try:
        for count, packet in enumerate(container.demux(*timed, *others)):
            size += packet.size
            if size > MAX_BYTES or count > MAX_PACKETS:
                cause = f"over {MAX_BYTES} bytes or {MAX_PACKETS} packets; cut it into clips"
                raise failure(path, max(ends.values()), cause)
            if not packet.size:  # the empty ones at the end only ask for a flush
                continue
            i = packet.stream_index
            if (at := _ticks(packet)) is not None:
                ends[i] = max(ends[i], at * packet.time_base - zero + _duration(packet))
            if i in packets:
                packets[i].append(packet)
                check_duration(path, ends[i])
    except av.FFmpegError as error:
        cause = f"cannot read on ({error.strerror}); fetch it again"
        raise failure(path, max(ends.values()), cause) from error
    if missing := lengths.shortfall(path, container, chosen, ends=ends, zero=zero):
        found, declared = missing
        cause = f"the file is cut off: it says {float(declared):.3f} s; fetch it again"
        raise failure(path, found, cause)
    return zero, packets


def _track(track: Track, form: str) -> Track:
    """Return a track without what cannot be decoded, checked."""
    _check_clock(track)
    track = replace(track, is_counted=form in BARE, is_open=form in OPEN)
    if any(packet.is_corrupt for packet in track.packets):
        track = _without_cut_packet(track)
    if track.stream.type == "video":
        kept = from_keyframe(track.packets)
        note = "pictures before the first keyframe are left out"
    elif track.is_counted:
        kept, note = tuple(without_tags(track.packets)), "tags among its frames are left out"
    else:
        return track
    notes = [*track.notes, note] if len(kept) < len(track.packets) else track.notes
    return replace(track, packets=kept, notes=notes)


def _check_clock(track: Track) -> None:
    """Refuse pictures without times, and times that run back as where two files were joined."""
    if track.stream.type == "video" and all(_ticks(p) is None for p in track.packets):
        cause = "its pictures have no times; put them into an mp4, at their rate"
        raise failure(track.path, 0, cause)
    known = [track.seconds(packet.dts) for packet in track.packets if packet.dts is not None]
    for newest, at in zip(accumulate(known, max), known, strict=True):
        if at < newest - MAX_BACK_S:
            cause = f"the clock of its {track.named} runs back to {float(at):.3f} s"
            raise failure(track.path, newest, f"{cause}; cut the file there")


def _without_cut_packet(track: Track) -> Track:
    """Refuse broken packets, apart from the last one: a recording that was stopped ends in it."""
    first = next(p for p in track.packets if p.is_corrupt)
    if first is not track.packets[-1] or not track.is_open:
        cause = "a packet is marked as broken; fetch the file again"
        raise failure(track.path, track.seconds(_ticks(first) or 0), cause)
    if track.stream.codec_context.name.startswith("pcm_"):
        return track  # half a packet is as good as a whole one
    note = f"the last packet of its {track.named} is cut off"
    return replace(track, packets=track.packets[:-1], notes=[note])


def check_duration(path: Path, duration_s: SupportsFloat) -> None:
    """Raise DecodeError if a file lasts longer than MAX_DURATION_S."""
    if float(duration_s) > MAX_DURATION_S:
        raise failure(
            path, MAX_DURATION_S, f"longer than {MAX_DURATION_S} s; cut the file into clips"
        )
