"""One error for everything that is wrong with a data set."""

from pathlib import Path

SHOWN = 20
REMEDY = {
    "fold csv absent": "put it there (or name the fold that exists)",
    "csv without rows": "write a header line and one line a clip",
    "csv without the expected columns": "rename them, or set the names under `columns`",
    "ragged row": "give every line as many fields as the header",
    "text that cannot be read": "save the csv as UTF-8, with closed quotes",
    "path that leaves the data set's root": "use relative posix paths to files inside it",
    "file absent": "put it there, or take its line out of the csv",
    "file that cannot be read": "check its permissions and the disk",
    "one file in two rows": "keep one line a clip",
    "duplicate id": "rename one of the audio files: its stem is the clip's id",
    "clip in train and test": "keep it in one of them",
    "location in train and test": "keep all clips of a place on one side",
    "scene in two spellings": "write it in one way in every csv",
    "city in two spellings": "write it in one way, in clip names too; two cities need two names",
    "location in two spellings": "write it in one way, in clip names too; two places need two "
    "numbers",
    "clip in two spellings": "keep one of them, or rename an audio file: its stem is the clip's id",
    "identifier with outer spaces": "take the spaces before and after it away",
    "unknown scene": "test only scenes that the training fold has",
    "scene that breaks files": "use a name without control characters or outer spaces",
    "clip without a label": "add it to the evaluate csv or to meta.csv, with its scene",
    "clip without a location": "fill meta.csv's identifier with <city>-<number>, or name clips "
    "<scene>-<city>-<location>-<segment>",
    "clip named for another scene": "correct its scene in the csv, or rename its files; where its "
    "name is out of date, meta.csv with identifiers <city>-<number> says where it was recorded",
    "csv files that disagree": "make them agree on each clip's files and scene",
    "row absent from meta.csv": "add it there, or delete meta.csv (it is optional)",
    "scene that cannot be validated": "give it clips from two or more training locations of its "
    "own, so that one can be held out",
}


class DatasetError(ValueError):
    """A data set that cannot be indexed; the message lists every offender, by kind.

    Attributes:
        offenders: all of them, where the message shows the first 20 a kind.
    """

    def __init__(self, message: str, offenders: dict[str, list[str]]) -> None:
        super().__init__(message)
        self.offenders = offenders


class Offenders:
    """Collects what is wrong, so that one run shows all of it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: dict[str, dict[str, None]] = {}  # an ordered set for each kind

    def add(self, kind: str, what: str) -> None:
        """Note an offender; `kind` is a key of REMEDY."""
        self._found.setdefault(kind, {})[what] = None

    def stop(self) -> None:
        """Raise DatasetError if there is an offender."""
        if self._found:
            found = {kind: list(self._found[kind]) for kind in REMEDY if kind in self._found}
            count = sum(map(len, found.values()))
            title = f"{self._root}: {count} offender{'s' if count > 1 else ''}"
            paragraphs = (_paragraph(kind, whats) for kind, whats in found.items())
            raise DatasetError("\n".join([title, *paragraphs]), found)


def _paragraph(kind: str, whats: list[str]) -> str:
    lines = [f"{kind} ({len(whats)}): {REMEDY[kind]}", *(f"  {w}" for w in whats[:SHOWN])]
    if len(whats) > SHOWN:
        lines.append(f"  ... and {len(whats) - SHOWN} more")
    return "\n".join(lines)
