"""Change the batch: drop a modality, or mix rows.

What is drawn goes to a GPU without waiting: CUDA has copied ordinary memory before it goes on.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from avsc.training.system import Batch


def modality_dropout(x: Batch, *, p: float, q: float, generator: Generator) -> dict[str, Tensor]:
    """Return the batch with one modality of some rows set to zero, the mean after standardisation.

    At test `disturbances.without` gives the head the same zeros.

    Args:
        x: the batch, with audio and video; anything else in it stays.
        p: probability that a row loses a modality; never both.
        q: probability that it is the audio.
        generator: on the CPU.

    Raises:
        ValueError: if p or q is no probability, or the batch lacks a modality.
    """
    if not (0 <= p <= 1 and 0 <= q <= 1):
        raise ValueError(f"modality dropout has p {p} and q {q}, expected both in [0, 1]")
    if not {"audio", "video"} <= set(x):
        raise ValueError(f"modality dropout needs audio and video, but the batch has {sorted(x)}")
    device = x["audio"].device
    chance = torch.rand(2, len(x["audio"]), generator=generator).to(device, non_blocking=True)
    drop, audio = chance[0] < p, chance[1] < q
    lost = {"audio": drop & audio, "video": drop & ~audio}
    return {**x, **{m: x[m].masked_fill(_column(lost[m], x[m]), 0.0) for m in lost}}


def mixup(
    x: Batch, targets: Float[Tensor, "row scene"], *, alpha: float, generator: Generator
) -> tuple[dict[str, Tensor], Float[Tensor, "row scene"]]:
    """Return rows mixed with other rows of the batch, and their targets mixed likewise.

    Every array of the batch has the same partners and weights: a mixed row is two whole items.

    Args:
        x: the batch.
        targets: distribution over scenes, such as one-hot.
        alpha: the weight of a row is drawn from Beta(alpha, alpha).
        generator: on the CPU.

    Raises:
        ValueError: if alpha is not above 0.

    References:
        Zhang et al., mixup: beyond empirical risk minimization, ICLR 2018; Wang et al., A study on
        joint modeling and data augmentation of multi-modalities for audio-visual scene
        classification, arXiv 2203.04114. A weight for each row, not one a batch, is ours.
    """
    if alpha <= 0:
        raise ValueError(
            f"mixup has alpha {alpha}, expected more than 0; leave mixup out to mix nothing"
        )
    partner = torch.randperm(len(targets), generator=generator)
    seed = int(torch.randint(2**62, (), generator=generator))
    drawn = np.random.default_rng(seed).beta(alpha, alpha, len(targets))
    partner = partner.to(targets.device, non_blocking=True)
    weight = torch.from_numpy(drawn).to(targets, non_blocking=True)
    return mix(x, targets, partner=partner, weight=weight)


def mix(
    x: Batch,
    targets: Float[Tensor, "row scene"],
    *,
    partner: Int[Tensor, " row"],
    weight: Float[Tensor, " row"],
) -> tuple[dict[str, Tensor], Float[Tensor, "row scene"]]:
    """Return weight * row + (1 - weight) * partner of every array and of the targets."""

    def mixed(rows: Tensor) -> Tensor:
        return torch.lerp(rows[partner], rows, _column(weight, rows).to(rows.dtype))

    return {m: mixed(rows) for m, rows in x.items()}, mixed(targets)


def _column(of_row: Tensor, rows: Tensor) -> Tensor:
    """Return one value a row in the shape that multiplies `rows`."""
    return of_row.view(-1, *[1] * (rows.ndim - 1))
