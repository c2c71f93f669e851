"""Which events sound and which objects show in each second of a scene.

A scene is a probability for each event and each object. Events alone confuse some scenes (bus,
metro and tram; park and public square; mall and pedestrian street), objects alone confuse others
(airport, mall and metro station; pedestrian street and public square), so that only both together
tell them apart. Nothing is a label in disguise: every event and object occurs in at least three
scenes.
"""

import numpy as np
from jaxtyping import Bool, Float64

SCENES = (
    "airport",
    "bus",
    "metro",
    "metro_station",
    "park",
    "public_square",
    "shopping_mall",
    "street_pedestrian",
    "street_traffic",
    "tram",
)

# Percent of seconds, in the order of SCENES.
_EVENT_PERCENT = {
    "bird_song": (3, 3, 3, 3, 75, 45, 3, 20, 10, 3),
    "footsteps": (50, 5, 5, 60, 30, 35, 50, 80, 10, 5),
    "engine": (5, 75, 15, 5, 3, 10, 3, 10, 80, 15),
    "siren": (3, 15, 3, 3, 5, 20, 3, 20, 35, 10),
    "rail_squeal": (3, 3, 70, 65, 3, 3, 3, 5, 5, 55),
    "announcement": (75, 25, 30, 45, 3, 5, 25, 3, 3, 30),
    "babble": (50, 30, 30, 40, 10, 50, 70, 60, 10, 30),
    "bell": (3, 3, 3, 3, 20, 55, 3, 15, 10, 5),
    "wind": (5, 5, 20, 15, 65, 45, 3, 15, 35, 5),
    "horn": (3, 25, 3, 3, 3, 10, 3, 10, 60, 20),
    "music": (10, 5, 3, 5, 3, 20, 75, 60, 5, 3),
    "rolling_luggage": (75, 5, 10, 20, 3, 5, 20, 20, 3, 5),
    "door_beep": (10, 45, 50, 50, 3, 3, 10, 3, 3, 40),
    "water": (5, 3, 3, 3, 45, 55, 30, 5, 3, 3),
    "tram_bell": (3, 10, 5, 5, 3, 20, 3, 30, 30, 60),
    "hum": (40, 55, 75, 30, 3, 3, 50, 5, 5, 60),
}
_OBJECT_PERCENT = {  # from the back of a picture to its front
    "sky": (5, 25, 3, 3, 80, 65, 5, 50, 65, 50),
    "building": (5, 25, 3, 3, 10, 70, 5, 70, 60, 45),
    "shop_window": (45, 10, 3, 20, 3, 35, 70, 70, 20, 10),
    "escalator": (35, 3, 3, 60, 3, 3, 55, 5, 3, 3),
    "rail": (3, 3, 15, 40, 3, 10, 3, 10, 15, 70),
    "tree": (3, 30, 3, 3, 90, 40, 5, 25, 40, 40),
    "fountain": (3, 3, 3, 3, 30, 45, 25, 5, 3, 3),
    "traffic_light": (3, 45, 3, 3, 3, 15, 3, 20, 70, 15),
    "bench": (25, 3, 10, 40, 65, 40, 30, 20, 5, 5),
    "bus": (10, 20, 3, 3, 3, 15, 3, 15, 50, 15),
    "car": (5, 65, 3, 3, 10, 15, 3, 15, 80, 20),
    "seat": (40, 75, 80, 5, 3, 3, 5, 3, 3, 70),
    "person": (55, 50, 50, 65, 30, 55, 65, 75, 25, 50),
    "suitcase": (60, 10, 15, 25, 3, 5, 15, 10, 3, 10),
    "display_board": (55, 15, 60, 55, 3, 10, 35, 10, 3, 20),
    "handrail": (25, 60, 80, 30, 5, 5, 30, 5, 3, 65),
}

EVENTS = tuple(_EVENT_PERCENT)
OBJECTS = tuple(_OBJECT_PERCENT)
EVENT_PROBABILITY: Float64[np.ndarray, "scene event"] = np.array([*_EVENT_PERCENT.values()]).T / 100
OBJECT_PROBABILITY: Float64[np.ndarray, "scene object"] = (
    np.array([*_OBJECT_PERCENT.values()]).T / 100
)


def sample(
    rng: np.random.Generator,
    probability: Float64[np.ndarray, " item"],
    *,
    seconds: int,
    persistence: float | int,
) -> Bool[np.ndarray, "second item"]:
    """Return which items are present in each second.

    An item keeps its state from one second to the next with probability `persistence` and is drawn
    afresh otherwise, so that each second on its own has exactly the given probabilities.
    """
    present = rng.random((seconds, len(probability))) < probability
    kept = rng.random((seconds, len(probability))) < persistence
    for second in range(1, seconds):
        present[second] = np.where(kept[second], present[second - 1], present[second])
    return present
