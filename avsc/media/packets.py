"""Leave out packets that hold nothing to decode: tags, pictures before the first keyframe."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate

import av

from avsc.media.lengths import TRUNCATED_S, id3_size
from avsc.media.track import Track, failure, ticks_of

# Files of bare frames. FFmpeg finds the frames by their first bytes and counts them for timestamps.
BARE = ("mp3", "aac", "loas", "ac3", "eac3", "dts")
STREAMS = ("mpegts", "mpeg", "ogg", "h264", "hevc", "amr")
SOUNDS = ("wav", "w64", "aiff", "caf", "au", "flac")
OPEN = (*BARE, *STREAMS, *SOUNDS)  # may end anywhere
TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")
ID3_HEADER = 10  # bytes
MAX_BACK_S = Fraction(1, 10)  # the clock of a track may run back by so much


def decodable(track: Track, form: str) -> Track:
    """Return a track without packets that cannot be decoded and are no damage.

    Args:
        track: as it was read.
        form: FFmpeg's name of the container format.

    Raises:
        DecodeError: if a packet is broken, or the times of the packets are missing or run back.
    """
    _check_clock(track)
    is_unordered = form == "avi" and bool(getattr(track.stream.codec_context, "has_b_frames", 0))
    track = replace(track, is_counted=form in BARE, is_unordered=is_unordered, is_open=form in OPEN)
    if any(packet.is_corrupt for packet in track.packets):
        track = _without_cut_end(track)
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
    timeless = track.packets and all(ticks_of(packet) is None for packet in track.packets)
    if timeless and track.stream.type == "video":
        cause = "its pictures have no times; put them into an mp4, at their rate"
        raise failure(track.path, 0, cause)
    known = [track.seconds(packet.dts) for packet in track.packets if packet.dts is not None]
    for newest, at in zip(accumulate(known, max), known, strict=True):
        if at < newest - MAX_BACK_S:
            cause = f"the clock of its {track.named} runs back to {float(at):.3f} s"
            raise failure(track.path, newest, f"{cause}; cut the file there")


def _without_cut_end(track: Track) -> Track:
    """Refuse broken packets, apart from the end of a recording that was stopped."""
    broken = next(i for i, packet in enumerate(track.packets) if packet.is_corrupt)
    at = track.seconds(ticks_of(track.packets[broken]) or 0)
    if not track.is_open or at < track.span()[1] - TRUNCATED_S:
        raise failure(track.path, at, "a packet is marked as broken; fetch the file again")
    if track.stream.codec_context.name.startswith("pcm_"):
        return track  # half a packet is as good as a whole one
    note = f"the end of its {track.named} is cut off"
    return replace(track, packets=track.packets[:broken], notes=[note])


def without_tags(packets: Sequence[av.Packet]) -> Iterator[av.Packet]:
    """Yield the packets of a file of bare frames, without tags and zeros between them.

    Tags at the end, or where files were joined, are no damage. Any other bytes between frames stay,
    and the decoder refuses them. The frame that follows a tag in its packet is left out with it.
    """
    end = 0
    for packet in packets:
        content = bytes(packet)
        if content.startswith(TAGS) or not any(content):
            if (at := content.find(b"ID3")) >= 0:  # its pictures may hold what looks like frames
                head = content[at : at + ID3_HEADER]
                end = (packet.pos or 0) + at + ID3_HEADER + id3_size(head)
        elif (packet.pos or 0) >= end:
            yield packet


def from_keyframe(packets: Sequence[av.Packet]) -> tuple[av.Packet, ...]:
    """Return the packets of pictures from the first keyframe on, without any shown before it.

    A recording that begins inside a group of pictures begins with some that refer to lost ones.
    """
    first = next((i for i, p in enumerate(packets) if p.is_keyframe), 0)
    start = packets[first].pts if packets else None
    kept = packets[first:]
    if start is None:
        return tuple(kept)
    return tuple(p for p in kept if p.pts is None or p.pts >= start)
