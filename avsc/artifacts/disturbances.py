"""disturbances.json: what the clips or predictions that lie beside it went through.

`disturbances` is a list of objects; the file holds its digest: see sealed_json.py.

name       under which they lie: in data/disturbed/<encoder>/ clip c is the clip `<name>/c` of the
           shards, in data/robustness/<experiment>/ predictions are <name>.parquet
kind       white_noise, gain, blur ...; none, missing_audio, missing_video, shift
strength   in `unit`; null where there is none
unit       dB, px, factor, s, or nothing
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from avsc.artifacts import sealed_json
from avsc.artifacts.damage import reading

FILE = "disturbances.json"
NAME = re.compile(r"\w[\w.+-]*")  # of a file


@dataclass(frozen=True)
class Disturbance:
    """What was done, how strongly, and under which name the result lies."""

    name: str
    kind: str
    strength: float | int | None = None
    unit: str = ""

    @property
    def called(self) -> str:
        """Return the name that kind, unit and strength give it."""
        if self.strength is None:
            return self.kind
        return f"{self.kind}_{self.unit.lower()}_{self.strength:g}"

    def clips(self, clip_id: Sequence[str]) -> list[tuple[str, str]]:
        """Return what the shards call each clip so disturbed, and the clip."""
        return [(f"{self.name}/{c}", c) for c in clip_id]


def write(directory: Path, done: Sequence[Disturbance]) -> None:
    """Write what there is in a directory."""
    sealed_json.write(directory / FILE, {"disturbances": [asdict(d) for d in done]})


def read(directory: Path) -> list[Disturbance]:
    """Return what `write` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        NotReadError: if the system cannot read it.
        DamagedError: if it is damaged, or of another folder.
    """
    path = directory / FILE
    content = sealed_json.read(path)
    with reading(path, ValueError, TypeError, KeyError, AttributeError):
        done = [Disturbance(**row) for row in content["disturbances"]]
        if odd := [d.name for d in done if not NAME.fullmatch(d.name)]:
            raise ValueError(f"{odd[0]!r} is no name of a file")
        if misnamed := [d for d in done if d.name != d.called]:
            raise ValueError(f"{misnamed[0]} is expected to be called {misnamed[0].called!r}")
    return done
