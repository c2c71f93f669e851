"""Encoders and a head as one network, and the rows that it is trained on."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

CLIPS_TOGETHER = 64  # whose rows are mixed: each is then read once an epoch, not once a row
State = dict[str, Tensor]


@dataclass(frozen=True)
class Rows:
    """The rows of a fold, which are read when it is their turn.

    Attributes:
        clip: number of each row's clip.
        targets: scene of each row.
        labels: {events | objects: (row, label)} that a head's loss reads; none in validation.
        read: numbers of rows -> what the encoders take of each, {modality: tensor}, in their order.
    """

    clip: Int[np.ndarray, " row"]
    targets: Int[Tensor, " row"]
    labels: Mapping[str, Float[Tensor, "row label"]]
    read: Callable[[Iterator[int]], Generator[dict[str, Tensor]]]

    def order(self, *, seed: int, epoch: int) -> Int[np.ndarray, " row"]:
        """Return all rows in an order of its own for each epoch, some clips at a time mixed."""
        rng = np.random.default_rng([seed, epoch])
        turn = rng.permutation(int(self.clip.max()) + 1)[self.clip]
        return np.lexsort((rng.random(len(turn)), turn // CLIPS_TOGETHER))

    def chunks(
        self, parts: Sequence[Int[np.ndarray, " _"]]
    ) -> Generator[tuple[dict[str, Tensor], Tensor]]:
        """Yield inputs and labels, and targets, of each part."""
        with closing(self.read(int(i) for part in parts for i in part)) as stream:
            for part in parts:
                read = list(islice(stream, len(part)))
                x = {m: _stacked(m, [row[m] for row in read]) for m in read[0]}
                yield x | {k: hot[part] for k, hot in self.labels.items()}, self.targets[part]


class EndToEnd(nn.Module):
    """The embeddings that the encoders give, through a head, which computes in float32.

    Autocast would round to 8 bits what a head looks closely at: probabilities, attention, logits.

    Args:
        encoders: {modality: prepared input -> (embedding, ...)}.
        head: {modality: embedding} -> logits.
    """

    def __init__(self, encoders: Mapping[str, nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.encoders, self.head = nn.ModuleDict(encoders), head

    def forward(
        self,
        x: Mapping[str, Tensor],
        targets: Int[Tensor, " row"] | None = None,
        criterion: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Return logits, or with `targets` the head's loss."""
        z = {m: self.encoders[m](rows)[0] if m in self.encoders else rows for m, rows in x.items()}
        z = {m: rows.float() for m, rows in z.items()}
        with torch.autocast(next(iter(z.values())).device.type, enabled=False):
            return self._headed(z, targets, criterion)

    def _headed(
        self,
        z: Mapping[str, Tensor],
        targets: Int[Tensor, " row"] | None,
        criterion: Callable[[Tensor, Tensor], Tensor] | None,
    ) -> Tensor:
        head: Any = self.head
        if targets is None or criterion is None:
            return head(z)
        if hasattr(head, "loss"):
            return head.loss(z, targets, criterion)
        return criterion(head(z), targets)

    def state(self) -> State:
        """Return copies of all parameters and buffers, `<part>/<name>`, parts as in `parts`."""
        return {
            f"{part}/{name}": value.detach().cpu().clone()
            for part, module in self.parts().items()
            for name, value in module.state_dict().items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take what `state` gave."""
        for part, module in self.parts().items():
            module.load_state_dict(below(f"{part}/", state))

    def parts(self) -> dict[str, nn.Module]:
        """Return the head, and the encoder of each modality."""
        return {"head": self.head, **self.encoders}


def below(prefix: str, state: Mapping[str, Tensor]) -> State:
    """Return what of `state` begins with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _stacked(modality: str, rows: list[Tensor]) -> Tensor:
    if len(shapes := {tuple(row.shape) for row in rows}) > 1:
        raise ValueError(
            f"rows of {modality} have shapes {sorted(shapes)}, but a batch has one; with "
            "scope: clip all clips must be of one length (decode.seconds)"
        )
    return torch.stack(rows)
