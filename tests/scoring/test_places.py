import numpy as np
import pytest

from avsc.scoring.places import by_place

TARGETS = np.array([0, 0, 1, 0])
LOSSES = np.array([1.0, 2.0, 4.0, 0.5])
RIGHT = np.array([True, False, False, True])
CITIES = np.array(["oslo", "oslo", "oslo", "bern"])
LOCATIONS = np.array(["oslo-1", "oslo-1", "oslo-2", "bern-1"])


def test_a_city_is_the_mean_over_its_scenes_and_comes_before_its_locations():
    rows = by_place(TARGETS, LOSSES, RIGHT, cities=CITIES, locations=LOCATIONS)
    assert [tuple(row.values()) for row in rows] == [
        ("bern", "", 1, 0.5, 1.0),
        ("bern", "bern-1", 1, 0.5, 1.0),
        ("oslo", "", 3, 2.75, 0.25),  # scene 0 has 1.5 and 1/2, scene 1 has 4 and 0
        ("oslo", "oslo-1", 2, 1.5, 0.5),
        ("oslo", "oslo-2", 1, 4.0, 0.0),
    ]
    assert list(rows[0]) == ["city", "location", "items", "log_loss", "accuracy"]


def test_a_location_in_two_cities_is_refused():
    with pytest.raises(ValueError, match="1 locations are in more than one city, the first 'x'"):
        by_place(TARGETS, LOSSES, RIGHT, cities=CITIES, locations=np.full(4, "x"))
