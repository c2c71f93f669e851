"""Rows of many clips through a network, in batches of one size whatever clip they are of."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from avsc.threads import in_threads

AT_ONCE = 2  # batches: one is computed while another goes there or comes back


@dataclass(frozen=True)
class Clip:
    """A clip's rows as a network takes them, on the CPU."""

    clip_id: str
    rows: Float32[Tensor, "row ..."]


@dataclass(frozen=True, repr=False)
class _Batch:
    rows: Float32[Tensor, "row ..."]
    last: str

    def __repr__(self) -> str:
        return f"{len(self.rows)} rows, the last of clip {self.last!r}"


def in_batches(
    network: nn.Module, clips: Iterator[Clip], *, size: Callable[[Sequence[int]], int]
) -> Iterator[tuple[str, list[Float32[np.ndarray, "row _"]]]]:
    """Yield each clip's id and what the network gives for its rows, clip after clip.

    Which rows share a batch hangs on the order of the clips alone. A batch goes to the device from
    pinned memory and comes back in one piece. Rows of another shape begin another batch.

    Args:
        network: rows -> one or several (row, feature).
        clips: in order; taken ahead of what is asked for, a bounded number of batches.
        size: rows in a batch, of the shape of a clip's rows; the last batch may be smaller.
    """
    waiting: deque[tuple[str, int]] = deque()

    def noted() -> Iterator[Clip]:
        for clip in clips:
            waiting.append((clip.clip_id, len(clip.rows)))
            yield clip

    def run(batch: _Batch) -> list[Float32[np.ndarray, "row _"]]:
        return _computed(network, batch.rows)

    held: list[np.ndarray] = []
    for found in in_threads(run, threads=AT_ONCE)(_batches(noted(), size)):
        held = _joined(held, found)
        while waiting and waiting[0][1] <= len(held[0]):
            clip_id, count = waiting.popleft()
            yield clip_id, [part[:count] for part in held]
            held = [part[count:] for part in held]


def _joined(held: list[np.ndarray], found: list[np.ndarray]) -> list[np.ndarray]:
    if not held or not len(held[0]):
        return found
    return [np.concatenate(parts) for parts in zip(held, found, strict=True)]


def _batches(clips: Iterator[Clip], size: Callable[[Sequence[int]], int]) -> Iterator[_Batch]:
    left: Any = None
    last = ""
    for clip in clips:
        if left is not None and left.shape[1:] != clip.rows.shape[1:]:
            yield _Batch(left, last)
            left = None
        rows, last = clip.rows if left is None else torch.cat([left, clip.rows]), clip.clip_id
        at_once = size(rows.shape)
        whole = len(rows) // at_once * at_once
        for start in range(0, whole, at_once):
            yield _Batch(rows[start : start + at_once], last)
        left = rows[whole:] if whole < len(rows) else None
    if left is not None:
        yield _Batch(left, last)


def _computed(network: nn.Module, rows: Tensor) -> list[Float32[np.ndarray, "row _"]]:
    device = next(network.parameters()).device
    if device.type == "cuda":
        rows = rows.pin_memory()
    with torch.inference_mode():
        parts = network(rows.to(device, non_blocking=True))
        together = torch.cat(parts, dim=1).cpu().numpy()
    ends = np.cumsum([0, *(part.shape[1] for part in parts)])
    return [together[:, start:end] for start, end in pairwise(ends)]
