"""The section `report`: keys, types, ranges and units."""

from dataclasses import dataclass
from typing import Annotated

from avsc.params.checks import Entry, Tree, slot_faults
from avsc.params.fields import Fault, Pixels, Quality


@dataclass(frozen=True)
class Report:
    """The page with all results.

    Attributes:
        systems: whose probabilities the clip browser shows: twelve of `train` and `ensemble`;
            `none` fills what is left.
        clips: of the test fold in the browser, as many of each scene; null: all.
        short_side_px: of a picture on the page.
        jpeg_quality: of a picture on the page.
        map_points: the most points of a map.
    """

    systems: tuple[Annotated[str, Entry(("train", "ensemble"), or_none=True)], ...]
    clips: Annotated[int, "x >= 1"] | None
    short_side_px: Pixels
    jpeg_quality: Quality
    map_points: Annotated[int, "x >= 1"]

    SLOTS = 12

    def faults(self, _: str, __: Tree) -> list[Fault]:
        """Return what is wrong with the list of systems."""
        return slot_faults("systems", self.systems, self.SLOTS)
