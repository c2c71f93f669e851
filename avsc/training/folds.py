"""The folds that training sees: rows of each modality with their scenes, and what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avsc.training.system import Batch


@dataclass(frozen=True)
class Fold:
    """Rows of each modality and their scenes.

    Attributes:
        x: {modality: rows}, and supervision that a head's loss reads, such as events.
        targets: scene of each row.
        views: {modality: (row, view, ...)}: training draws one view of each row at each step.
    """

    x: Batch
    targets: Int[Tensor, " row"]
    views: Mapping[str, Float[Tensor, "row view ..."]] = field(default_factory=dict)

    def to(self, device: str) -> "Fold":
        """Return the same rows on `device`."""
        x, views = ({m: r.to(device) for m, r in d.items()} for d in (self.x, self.views))
        return Fold(x, self.targets.to(device), views)


def check(train: Fold, val: Fold, num_classes: int) -> None:
    """Refuse folds that cannot be trained on.

    Raises:
        ValueError: if a fold is empty, holds a value that is not finite, or modalities of different
            length; or if the training fold lacks a class.
    """
    for name, fold in {"training": train, "validation": val}.items():
        if not len(fold.targets):
            raise ValueError(f"the {name} fold is empty; has the data set locations enough?")
        for m, rows in [*fold.x.items(), *fold.views.items()]:
            if len(rows) != len(fold.targets):
                raise ValueError(
                    f"{name} fold: {len(rows)} rows of {m}, but {len(fold.targets)} labels"
                )
            if not torch.stack(rows.aminmax()).isfinite().all():  # NaN is both
                raise ValueError(
                    f"{name} fold: {m} holds NaN or infinity; run its embed stage again"
                )
    if empty := sorted(set(range(num_classes)) - set(train.targets.tolist())):
        raise ValueError(f"the training fold has no row of classes {empty} of {num_classes}")
