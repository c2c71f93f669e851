"""Open a container once, read its packets in one pass, decode a track in one thread.

Time zero is the earliest start of any sound or picture track, exact to the tick: the players' zero.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, SupportsFloat

import av

from avsc.media import channels, lengths, signatures
from avsc.media.packets import decodable
from avsc.media.track import Track, duration_of, failure, ticks_of

MAX_DURATION_S = 600
MAX_PIXELS = 8192 * 4320
MAX_CLIP_PIXELS = 2**31  # of all pictures of a clip, in memory at a time
MAX_BYTES = 2**30  # of a file, and of its packets unpacked
MAX_PACKETS = 1_000_000
# Files that stand alone. Playlists (hls, concat, dash ...) would open others, wherever these lie.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpegts,mpeg,ogg,mxf,nut,wtv,rm,dv,gxf,ivf,obu,"
    "h264,hevc,m4v,mpegvideo,mjpeg,yuv4mpegpipe,"
    "wav,w64,flac,mp3,aac,loas,ac3,eac3,dts,aiff,caf,au,amr,ape,tta,wv"
)
ALONE = {"protocol_whitelist": "file", "format_whitelist": FORMATS}

Kind = Literal["audio", "video"]


def check_file(path: Path) -> None:
    """Raise DecodeError if `path` is no file, holds nothing, over MAX_BYTES, or two files."""
    if not path.is_file():
        raise failure(path, 0, "there is no such file; check the path in the data set's csv")
    if not (size := path.stat().st_size):
        raise failure(path, 0, "the file is empty (0 bytes); fetch it again")
    if size > MAX_BYTES:
        cause = f"the file has {size} bytes, expected at most {MAX_BYTES}; cut it into clips"
        raise failure(path, 0, cause)
    if at := signatures.second_file(path):
        cause = f"a second file begins at byte {at}, expected one file; cut it there"
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
            decodable(Track(path, s, zero, tuple(packets[s.index]), layout), container.format.name)
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
            i = packet.stream_index
            if (at := ticks_of(packet)) is not None:
                ends[i] = max(ends[i], at * packet.time_base - zero + duration_of(packet))
            if i in packets and packet.size:  # those at the end only ask for a flush
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


def check_duration(path: Path, duration_s: SupportsFloat) -> None:
    """Raise DecodeError if a file lasts longer than MAX_DURATION_S."""
    if float(duration_s) > MAX_DURATION_S:
        raise failure(
            path, MAX_DURATION_S, f"longer than {MAX_DURATION_S} s; cut the file into clips"
        )
