"""Kinds of files by their first bytes: names are not trusted."""

import mmap
import re
from pathlib import Path

LONGEST = 16  # bytes
SOUND_FILES = (  # what libsndfile reads here; {offset: bytes}
    {0: b"RIFF", 8: b"WAVE"},
    {0: b"RF64", 8: b"WAVE"},
    {0: b"BW64", 8: b"WAVE"},
    {0: b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"},  # w64
    {0: b"FORM", 8: b"AIFF"},
    {0: b"FORM", 8: b"AIFC"},
    {0: b"caff"},
    {0: b"fLaC"},
)
REFUSED = {
    b"GIF8": "gif is not taken; convert it to mp4",
    b"\x89PNG": "a png picture is not taken; name a video",
    b"\xff\xd8\xff": "a jpeg picture is not taken; name a video",
    b"BM": "a bmp picture is not taken; name a video",
    b"II*\x00": "a tiff picture is not taken; name a video",
    b"MM\x00*": "a tiff picture is not taken; name a video",
    b"#EXTM3U": "a playlist is not taken; name the file that it plays",
    b"ffconcat": "a playlist is not taken; name the file that it plays",
}
# How a file begins of which readers take the first where two are joined, but for what differs.
BEGINNINGS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rb"(?:RIFF|RF64|BW64)....WAVEfmt ",
        rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb",
        rb"FORM....AIF[FC](?:COMM|FVER)",
        rb"fLaC\x00\x00\x00\x22",
        rb"caff\x00\x01\x00\x00desc",
        rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09\x00\x00\x00\x00",
        rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",
        rb"\x00\x00\x00.ftyp(?:isom|iso.|mp4.|qt  |M4. |3gp.|avc1)",
    )
)
FRAGMENT = b"moof"  # an mp4 in fragments may repeat its beginning


def is_sound_file(path: Path) -> bool:
    """Return whether `path` is a file of sound alone that libsndfile reads without loss."""
    start = _start(path)
    return any(
        all(start[at:].startswith(magic) for at, magic in signature.items())
        for signature in SOUND_FILES
    )


def refusal(path: Path) -> str | None:
    """Return why a file of a known kind is not taken, and what to do; None for any other."""
    start = _start(path)
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "a webp picture is not taken; name a video"
    return next((why for magic, why in REFUSED.items() if start.startswith(magic)), None)


def second_file(path: Path) -> int | None:
    """Return the byte at which a second file of the same kind begins, or None."""
    with path.open("rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as content:
        own = next((b for b in BEGINNINGS if b.match(content)), None)
        found = own.search(content, 1) if own else None
        if found is None or content.find(FRAGMENT) >= 0:
            return None
        return found.start()


def _start(path: Path) -> bytes:
    with path.open("rb") as f:
        return f.read(LONGEST)
