"""Semantic fusion, forward and backward: the interpolated attention beside the ordinary one.

Run as `python -m bench.semantic_fusion`. Both forms of one size take turns, and the table holds
medians. On a machine that other programs load, set OMP_WAIT_POLICY=passive: the interpolated form
is many short parallel regions, and threads that spin at the end of each wait for a time slice.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor

from avsc.heads._semantic_fusion import ScalarAttention

HOU = (1000, 527)  # objects and events
FAST_TURNS = 5  # of the interpolated form, which is over sooner than the machine's mood changes
Row = dict[str, float]


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
        slow.append(_seconds(both_ways, "ordinary"))
        fast += [_seconds(both_ways, "forward") for _ in range(FAST_TURNS)]
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


def _seconds(work: Callable[[str], object], form: str) -> float:
    start = time.perf_counter()
    work(form)
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    table = rows()
    print("  ".join(f"{name:>14}" for name in table[0]))  # noqa: T201
    for row in table:
        print("  ".join(f"{value:14.4g}" for value in row.values()))  # noqa: T201


if __name__ == "__main__":
    main()
