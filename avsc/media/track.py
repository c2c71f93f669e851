"""One track of a container: its packets, their times, and their decoding."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, SupportsFloat

import av

MAX_START_S = Fraction(1, 2)  # so much sound at the start of a stream may lack its beginning


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
        is_unordered: the pictures come without times of display, as in avi: decoding orders them.
        is_open: the file declares no length, and may have been stopped inside its last packet.
        notes: what is odd about the track and was put right; decoding may add to them.
    """

    path: Path
    stream: Any
    zero: Fraction
    packets: tuple[av.Packet, ...]
    layout: tuple[str, ...] = ()
    is_counted: bool = False
    is_unordered: bool = False
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
            (self.seconds(at), duration_of(p))
            for p in self.packets
            if not p.is_discard and (at := p.dts if self.is_unordered else ticks_of(p)) is not None
        ]
        if not shown:
            raise failure(self.path, 0, f"its {self.stream.type} track is empty; fetch it again")
        return min(at for at, _ in shown), max(at + lasts for at, lasts in shown)

    def decode(self, packets: Iterable[av.Packet]) -> Iterator[Any]:
        """Yield the frames of `packets`, then those that the decoder still holds.

        Raises:
            DecodeError: if a packet is broken.
        """
        context, at, begun = self.stream.codec_context, Fraction(0), False
        context.flush_buffers()  # an earlier call may have drained it, or stopped half-way
        context.skip_frame = "DEFAULT"
        for packet in chain(packets, [None]):
            if packet is not None and (ticks := ticks_of(packet)) is not None:
                at = self.seconds(ticks)
            try:
                for frame in context.decode(packet):
                    begun = True
                    yield frame
            except av.FFmpegError as error:
                if self.is_open and (note := self._cut_at(packet, at, begun=begun)):
                    self.notes.extend({note} - set(self.notes))
                    continue
                cause = f"broken {self.stream.type} packet ({error.strerror}); fetch the file again"
                raise failure(self.path, at, cause) from error

    def _cut_at(self, packet: av.Packet | None, at: Fraction, *, begun: bool) -> str:
        """Return what to say of a broken packet at the start or the end of a stream, else ""."""
        if packet is self.packets[-1]:
            return f"the end of its {self.named} is cut off"
        is_start = not begun and at < self.span()[0] + MAX_START_S
        return "its sound begins inside a frame" if is_start and self.named == "sound" else ""


def ticks_of(packet: av.Packet) -> int | None:
    """Return the timestamp of a packet, or None where it has none."""
    return packet.dts if packet.pts is None else packet.pts


def duration_of(packet: av.Packet) -> Fraction:
    """Return how long a packet lasts, in s; 0 where it does not say."""
    return (packet.duration or 0) * packet.time_base
