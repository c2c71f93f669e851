"""The demo world: a small synthetic data set in the TAU layout, and what trains its taggers."""

from avsc.datasets.demo.labelled import drawn, labelled_pictures, labelled_sounds
from avsc.datasets.demo.scenes import EVENTS, OBJECTS, SCENES
from avsc.datasets.demo.signals import SAMPLE_RATE
from avsc.datasets.demo.world import write

__all__ = [
    "EVENTS",
    "OBJECTS",
    "SAMPLE_RATE",
    "SCENES",
    "drawn",
    "labelled_pictures",
    "labelled_sounds",
    "write",
]
