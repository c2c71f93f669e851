"""The validation fold: whole locations, cut from the training fold."""

import hashlib
import math
from collections.abc import Mapping

from avsc.datasets.offenders import Offenders


def cut(
    locations: Mapping[str, set[str]], *, fraction: float, seed: int, offenders: Offenders
) -> set[str]:
    """Return the locations to hold out: `fraction` of each scene's, rounded, one if it has two.

    A location's rank is a hash of seed, scene and location, so a location that is added changes
    no other scene, and its own scene by one location at most. A location goes to the validation
    fold with all its scenes (a place must not sit on both sides); one that would leave any of
    its scenes without a training location is passed over. So a scene with one location is not in
    the validation fold.

    Args:
        locations: the training locations of each scene.
        fraction: share of a scene's locations to hold out, in (0, 1).
        seed: of the ranking.
        offenders: where all scenes go if no location of any can be held out.

    Raises:
        ValueError: if `fraction` is not in (0, 1).

    References:
        The official baseline holds out about 10 % of each class's clips by whole locations; its
        own draw (Python's random, seed 30) is not repeated.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"val_fraction is {fraction}, expected above 0 and below 1, as 0.1")
    held: set[str] = set()
    for scene, own in sorted(locations.items()):
        wanted = max(1, math.floor(fraction * len(own) + 0.5))
        for _, location in sorted((_rank(seed, scene, place), place) for place in own):
            if len(held & own) >= wanted:
                break
            if all(p - held - {location} for p in locations.values() if location in p):
                held.add(location)
    if not held:
        for scene, own in sorted(locations.items()):
            what = f"{scene!r} has {len(own)} training locations: {', '.join(sorted(own))}"
            offenders.add("scene that cannot be validated", what)
    return held


def _rank(seed: int, scene: str, location: str) -> bytes:
    return hashlib.sha256(f"{seed}|{scene}|{location}".encode()).digest()
