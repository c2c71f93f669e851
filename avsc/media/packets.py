"""Packets that hold nothing to decode: tags between frames, pictures before the first keyframe."""

from collections.abc import Iterator, Sequence

import av

from avsc.media.lengths import id3_size

# Files of bare frames. FFmpeg finds the frames by their first bytes and counts them for timestamps.
BARE = ("mp3", "aac", "loas", "ac3", "eac3", "dts")
OPEN = (*BARE, "mpegts", "mpeg", "ogg", "wav", "h264", "hevc", "amr")  # may end anywhere
TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")
ID3_HEADER = 10  # bytes


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
