"""The section `import_features`: keys, types, ranges, units and defaults."""

from dataclasses import dataclass
from typing import Annotated, Literal

from avsc.params.checks import Modality, Tree, unique
from avsc.params.fields import Fault


@dataclass(frozen=True)
class ImportFeatures:
    """Arrays that others made of the clips, in an encoder's place.

    Attributes:
        root: folder of the files.
        files: their paths inside it.
        modality: what they are made of.
        select: which frames stand for a second (avsc/importing.py).
        hop_s: from the middle of a frame to that of the next.
        views: of each second of a training clip, the selected row included; 0: none.
    """

    root: str
    files: tuple[str, ...]
    modality: Modality
    select: Literal["rows", "official", "middle", "mean", "sequence", "clip"]
    hop_s: Annotated[float, "x > 0", "s"] = 0.1
    views: Annotated[int, "x >= 0"] = 0

    def faults(self, name: str, tree: Tree) -> list[Fault]:
        """Return a fault if an encoder has the same name."""
        return unique(name, tree)
