"""The sections `index` and `decode`: keys, types, ranges, units and defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from avsc.params.checks import Arguments, Takes, Tree
from avsc.params.fields import Fault, Pixels, Quality, Seconds

DemoWorld = Annotated[
    Arguments, Takes("datasets.demo.world", "write", ("root", "truth", "save", "seal"))
]


@dataclass(frozen=True)
class Index:
    """How a data set in the layout of TAU is listed.

    Attributes:
        root: folder of the data set.
        watch: what tells DVC that the media changed: the root, or something inside it.
        val_fraction: share of each scene's training locations in the validation fold.
        fold: the <fold> of the csv names.
        columns: names of csv columns that differ from TAU's, by role.
    """

    root: str
    watch: str
    val_fraction: Annotated[float, "0 < x < 1"] = 0.1
    fold: str = "fold1"
    columns: Mapping[Literal["audio", "video", "scene", "identifier"], str] = field(
        default_factory=dict
    )

    def faults(self, _: str, __: Tree) -> list[Fault]:
        """Return a fault if the watched path is outside the data set."""
        if f"{self.watch.rstrip('/')}/".startswith(f"{self.root.rstrip('/')}/"):
            return []
        return [Fault(("watch",), f"expected {self.root} or a path inside it, got {self.watch!r}")]


@dataclass(frozen=True)
class Decode:
    """How clips are decoded.

    Attributes:
        seconds: length of every clip; null: as many whole seconds as each clip has.
        sample_rate: of the sound.
        short_side_px: of the pictures.
        jpeg_quality: Pillow's.
        on_error: stop, or list a damaged clip in data/quarantine.csv and score it as an error.
    """

    seconds: Seconds
    sample_rate: Annotated[int, "x >= 1", "Hz"]
    short_side_px: Pixels
    jpeg_quality: Quality
    on_error: Literal["stop", "quarantine"]
