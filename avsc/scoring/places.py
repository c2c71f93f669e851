"""Scores of each city and each location."""

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from avsc.scoring import metrics


def by_place(
    targets: Int[np.ndarray, " item"],
    losses: Float[np.ndarray, " item"],
    right: Bool[np.ndarray, " item"],
    *,
    cities: Shaped[np.ndarray, " item"],
    locations: Shaped[np.ndarray, " item"],
) -> list[dict[str, str | int | float]]:
    """Return city, location, items, log_loss and accuracy: a city, then its locations.

    Both scores are macro averages, over the scenes that there are in the place. The location of
    a whole city's row is empty.

    Args:
        targets: class of each item.
        losses: log-loss of each item.
        right: whether its answer is right.
        cities: name of the item's city.
        locations: name of its location, which is in one city.

    Raises:
        ValueError: if a location is in two cities.
    """
    found = np.stack([cities, locations], axis=1)
    pairs = np.unique(found, axis=0).tolist()
    names, times = np.unique([location for _, location in pairs], return_counts=True)
    if (twice := names[times > 1]).size:
        raise ValueError(
            f"{len(twice)} locations are in more than one city, the first {str(twice[0])!r}; "
            "expected names of one place each: put the city into the name"
        )
    rows: list[dict[str, str | int | float]] = []
    for city, location in sorted([*pairs, *([city, ""] for city in np.unique(cities).tolist())]):
        own = locations == location if location else cities == city
        shares = {
            "log_loss": metrics.macro(targets[own], losses[own].astype(np.float64)),
            "accuracy": metrics.macro(targets[own], right[own].astype(np.float64)),
        }
        rows.append({"city": city, "location": location, "items": int(own.sum()), **shares})
    return rows
