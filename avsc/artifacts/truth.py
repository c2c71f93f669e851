"""data/truth/<data set>.csv: clip_id, second, events, objects; names are joined by ';'.

`synthesize` adds a digest, as manifest.py describes it; a table of your own needs none.
"""

from pathlib import Path

from avsc.artifacts import manifest

COLUMNS = ("clip_id", "second", "events", "objects")


def sealed(content: bytes) -> bytes:
    """Return a table that has no digest with an empty last column, whose name is the digest."""
    return manifest.sealed(content.replace(b"\n", b",\n"))


def read(path: Path) -> dict[tuple[str, int], dict[str, set[str]]]:
    """Return {(clip_id, second): {"events": names, "objects": names}}.

    Raises:
        ValueError: if the file has other columns, or a line has no second or repeats one.
    """
    found: dict[tuple[str, int], dict[str, set[str]]] = {}
    for line, row in enumerate(manifest.read(path, COLUMNS, digest=False), start=2):
        clip_id, second = row["clip_id"], row["second"]
        if not (second.isascii() and second.isdecimal() and len(second) < 10):
            raise ValueError(
                f"{path}:{line} has second {second!r}, expected a whole number; correct it"
            )
        if (clip_id, int(second)) in found:
            raise ValueError(
                f"{path}:{line} has second {second} of {clip_id!r} again; keep one line"
            )
        found[clip_id, int(second)] = {
            kind: set(filter(None, row[kind].split(";"))) for kind in ("events", "objects")
        }
    return found
