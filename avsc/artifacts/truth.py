"""data/truth/<data set>.csv: clip_id, second, events, objects; names are joined by ';'."""

from pathlib import Path

from avsc.artifacts import manifest

COLUMNS = ("clip_id", "second", "events", "objects")


def read(path: Path) -> dict[tuple[str, int], dict[str, set[str]]]:
    """Return {(clip_id, second): {"events": names, "objects": names}}.

    Raises:
        ValueError: if the file has other columns.
    """
    return {
        (r["clip_id"], int(r["second"])): {
            kind: set(filter(None, r[kind].split(";"))) for kind in ("events", "objects")
        }
        for r in manifest.read(path, COLUMNS)
    }
