"""Semantic fusion, forward and backward: the interpolated attention beside the ordinary one.

1000 objects and 527 events, both ways, 64 items. A gain is what the query weights are multiplied
by; 1 is a head as it is drawn. On a machine that other programs load, set OMP_WAIT_POLICY=passive:
the interpolated form is many short parallel regions, and threads that spin at the end of each wait
for a time slice.
"""

from collections.abc import Sequence
from functools import partial
from statistics import median

import torch
from torch import Tensor

from avsc.heads._semantic_fusion import ScalarAttention
from avsc.threads import cores
from bench._table import main
from bench._turns import Row as Comparison
from bench._turns import compared, seconds_of

HOU = (1000, 527)  # objects and events
FAST_TURNS = 5  # of the interpolated form, which is over sooner than the machine's mood changes
REACH = 20.0
Row = dict[str, float]


def results(*, quick: bool = False) -> list[Comparison]:
    """Return a row for each gain, in the form of the other benchmarks."""
    small = {"tokens": (100, 50), "batch": 2, "repeats": 1}
    found = rows(**small) if quick else rows(gains=(1.0, 8.0), threads=cores())
    return [
        compared(
            f"attention at gain {row['gain']:g}, steepest {row['steepest']:.2g}",
            "ordinary attention",
            row["interpolated_s"],
            row["ordinary_s"],
            reach=REACH,
            difference=row["difference"],
        )
        for row in found
    ]


def rows(
    *,
    tokens: tuple[int, int] = HOU,
    batch: int = 64,
    gains: Sequence[float] = (1.0, 4.0, 8.0),
    repeats: int = 3,
    threads: int = 2,
) -> list[Row]:
    """Return a row for each gain: seconds of each form, their ratio and largest difference.

    Args:
        tokens: number of queries and of keys; the other direction is measured with it.
        batch: items.
        gains: what the query weights are multiplied by; 1 is a head as it is drawn.
        repeats: turns of the ordinary form, after one that is not counted.
        threads: of torch; its own number is restored afterwards.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return [_row(tokens, batch, gain, repeats) for gain in gains]
    finally:
        torch.set_num_threads(before)


def _row(tokens: tuple[int, int], batch: int, gain: float, repeats: int) -> Row:
    torch.manual_seed(0)
    attend = [ScalarAttention(), ScalarAttention()]
    for attention in attend:
        attention.query.weight.data *= gain
    probs = [torch.rand(batch, count, requires_grad=True) for count in tokens]

    def both_ways(form: str) -> list[Tensor]:
        found = [
            getattr(attention, form)(queries, keys)
            for attention, queries, keys in zip(attend, probs, reversed(probs), strict=True)
        ]
        torch.cat(found, dim=1).square().sum().backward()
        return [f.detach() for f in found]

    ordinary, interpolated = both_ways("ordinary"), both_ways("forward")
    slow, fast = [], []
    for _ in range(repeats):
        slow.append(seconds_of(partial(both_ways, "ordinary")))
        fast += [seconds_of(partial(both_ways, "forward")) for _ in range(FAST_TURNS)]
    return {
        "gain": gain,
        "steepest": max(a.steepness().abs().max().item() for a in attend),
        "ordinary_s": median(slow),
        "interpolated_s": median(fast),
        "ratio": median(slow) / median(fast),
        "difference": max(
            (a - b).abs().max().item() for a, b in zip(ordinary, interpolated, strict=True)
        ),
    }


if __name__ == "__main__":
    main("semantic_fusion")
