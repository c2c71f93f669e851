"""Kinds of files by their first bytes: names are not trusted."""

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
# Files of which readers take the first where two are joined: bytes that tell their beginning, and
# where these lie: (first, last, content of the first ones).
BEGINNINGS = (
    (8, 16, b"WAVEfmt "),
    (0, 16, b"riff\x2e\x91\xcf\x11"),
    (8, 16, b"AIFFCOMM"),
    (8, 16, b"AIFCFVER"),
    (0, 8, b"fLaC\0\0\0\x22"),
    (0, 12, b"caff\0\1\0\0desc"),
    (0, 9, b"FLV\1"),
    (0, 16, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # asf
    (4, 12, b"ftyp"),  # mp4, mov
)
FRAGMENT = b"moof"  # an mp4 in fragments may repeat its beginning
BLOCK = 2**20  # bytes


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
    start = _start(path)
    for first, last, beginning in BEGINNINGS:
        if start[first:].startswith(beginning):
            found = _find(path, start[first:last], last)
            if found is None or _find(path, FRAGMENT, 0) is not None:
                return None
            return found - first
    return None


def _find(path: Path, content: bytes, start: int) -> int | None:
    """Return where `content` lies in a file from byte `start` on, or None."""
    with path.open("rb") as f:
        f.seek(start)
        before, at = b"", start
        while block := f.read(BLOCK):
            block = before + block
            if (found := block.find(content)) >= 0:
                return at + found
            before = block[1 - len(content) :]
            at += len(block) - len(before)
    return None


def _start(path: Path) -> bytes:
    with path.open("rb") as f:
        return f.read(LONGEST)
