"""Let both sides take turns, so that the machine's mood is the same for both; keep medians."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np
import torch

Row = dict[str, str | float | None]


def in_turns(
    sides: Mapping[str, Callable[[], Any]], *, repeats: int
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return what each side gave in a first turn that is not counted, and its median seconds."""
    given = {name: work() for name, work in sides.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, work in sides.items():
            seconds[name].append(seconds_of(work))
    return given, {name: median(some) for name, some in seconds.items()}


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compared(
    work: str,
    instead: str,
    ours_s: float | None,
    instead_s: float | None,
    *,
    reach: float | None = None,
    difference: float | None = None,
    floor_s: float | None = None,
    remark: str = "",
) -> Row:
    """Return a row: how many times faster ours is, and how far its results are from the others'.

    Args:
        work: what is done.
        instead: what is done instead of it.
        ours_s: seconds; None where this machine cannot do it.
        instead_s: seconds of the other; None likewise.
        reach: the ratio that it should have.
        difference: the largest between both sides' results; None where they differ on purpose.
        floor_s: seconds that the matrix products of this work would take alone (see `_floor`).
        remark: what was extrapolated, or left out.
    """
    return {
        "work": work,
        "instead of": instead,
        "ours_s": ours_s,
        "instead_s": instead_s,
        "ratio": None if ours_s is None or instead_s is None else instead_s / ours_s,
        "to reach": reach,
        "difference": difference,
        "floor / ours": None if ours_s is None or floor_s is None else floor_s / ours_s,
        "remark": remark,
    }


def difference(ours: Any, others: Any) -> float:
    """Return the largest absolute difference of two arrays, infinite if their shapes differ."""
    a, b = (np.asarray(x, np.float64) for x in (ours, others))
    return float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Give torch `count` threads inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
