"""Disturb rows of a trained system: a modality goes missing, or falls behind the other."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from avsc.training.system import Batch, System


def without(modality: str, x: Batch, system: System) -> dict[str, Tensor]:
    """Return the batch with the training mean in place of a modality, 0 after standardisation.

    Modality dropout gives the head the same zeros in training.

    Args:
        modality: the one that is missing.
        x: raw rows of both modalities, or of the other one.
        system: what will answer.

    Raises:
        ValueError: if the system does not take this modality, or no other one is left.
    """
    if modality not in system.shapes:
        takes = ", ".join(system.shapes)
        raise ValueError(
            f"missing is {modality!r}, but the system takes {takes}; expected one of them"
        )
    others = {m: rows for m, rows in x.items() if m != modality}
    if not others:
        raise ValueError(
            f"missing is {modality!r}, and there is no other modality; "
            "expected audio or video to stay"
        )
    mean = system.get_buffer(f"mean_{modality}")
    count = len(next(iter(others.values())))
    return others | {modality: mean.expand(count, *system.shapes[modality])}


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
