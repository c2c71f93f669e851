"""Disturb rows of a trained system: a modality goes missing, or falls behind the other."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from avsc.training.system import Batch, System


def without(modality: str, x: Batch, system: System) -> dict[str, Tensor]:
    """Return what a system sees where a modality is missing.

    A head that handles it does not get the modality. Any other gets the mean of the training fold
    in its place, 0 after standardisation: all it can be told that says nothing.

    Raises:
        ValueError: if the rows have no such modality, or no other.
    """
    if modality not in x or len(x) < 2:
        raise ValueError(
            f"missing is {modality!r}, but the system has {', '.join(x)}; expected one of two"
        )
    if getattr(system.head, "handles_missing", False):
        return {m: rows for m, rows in x.items() if m != modality}
    rows = x[modality]
    return dict(x) | {modality: system.get_buffer(f"mean_{modality}").to(rows).expand_as(rows)}


def later(
    rows: Float[Tensor, "row ..."], seconds: float | int, count: Sequence[int]
) -> Float[Tensor, "row ..."]:
    """Return each clip's rows so many seconds later, or earlier where negative.

    Second t becomes what second t - `seconds` was, and what leaves one end of the clip comes in at
    the other: a clip keeps its rows, beside others of the modality that stays.

    Args:
        rows: a row a second, one clip after the other.
        seconds: whole ones.
        count: rows of each clip.

    Raises:
        ValueError: if a clip would be the same again, or the shift is no whole number.
    """
    if seconds != int(seconds) or not 0 < abs(seconds) < min(count):
        raise ValueError(
            f"shift_s has {seconds}; expected whole seconds, not 0, and fewer than the "
            f"{min(count)} of the shortest clip"
        )
    return torch.cat([part.roll(int(seconds), dims=0) for part in rows.split(list(count))])
