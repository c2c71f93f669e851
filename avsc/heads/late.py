"""Late fusion: each modality decides for itself, then the decisions are joined."""

from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avsc import spelling
from avsc.heads import Batch, Count, Dims, Dropout
from avsc.heads._mlp import Branch, flat, pair

RULES = ("average", "linear")


class Head(nn.Module):
    """Two branches d -> 512 -> scenes, and a rule that joins their logits.

    Args:
        rule: linear: the logits side by side, then one linear layer; average: their mean.
        width: of a branch's hidden layer, Linear-BatchNorm-ReLU-Dropout.
        dropout: probability of dropping a unit.

    References:
        Feng, Audio-Visual Scene Classify (course report): its text says linear, the course's code
        averages. The report gives no layers of these branches; they are those of its weighted one.
    """

    def __init__(
        self,
        dims: Dims,
        num_classes: int,
        *,
        rule: Annotated[str, "linear | average"] = "linear",
        width: Count = 512,
        dropout: Dropout = 0.2,
    ) -> None:
        super().__init__()
        if rule not in RULES:
            raise ValueError(f"rule is {rule!r}, {spelling.expected(rule, RULES)}")
        self.modalities, self.rule = pair(dims, "late"), rule
        self.branch: Any = nn.ModuleDict(
            {
                m: Branch(flat(dims[m]), num_classes, widths=[width], dropout=dropout)
                for m in self.modalities
            }
        )
        if rule == "linear":
            self.join = nn.Linear(2 * num_classes, num_classes)

    def forward(self, x: Batch) -> Float[Tensor, "row scene"]:
        """Return logits."""
        opinions = self._opinions(x)
        if self.rule == "average":
            return torch.stack(list(opinions.values())).mean(dim=0)
        return self.join(torch.cat([opinions[m] for m in self.modalities], dim=1))

    def branch_embeddings(self, x: Batch) -> dict[str, Float[Tensor, "row width"]]:
        """Return the hidden layer of each modality."""
        return {m: self.branch[m].embed(x[m]) for m in self.modalities}

    def branch_logits(self, x: Batch) -> dict[str, Float[Tensor, "row scene"]]:
        """Return what each modality says of the scenes; of linear, what it adds to their sum.

        Before they are joined, the outputs of a branch stand for no scene: their share of the
        linear layer W is W_m z_m + b / 2, as in Peng et al., CVPR 2022.
        """
        opinions = self._opinions(x)
        if self.rule == "average":
            return opinions
        weight = dict(zip(self.modalities, self.join.weight.chunk(2, dim=1), strict=True))
        half = self.join.bias / 2
        return {m: nn.functional.linear(z, weight[m], half) for m, z in opinions.items()}

    def _opinions(self, x: Batch) -> dict[str, Float[Tensor, "row _"]]:
        return {m: self.branch[m](x[m]) for m in self.modalities}

    def branches(self) -> dict[str, nn.Module]:
        """Return the network of each modality."""
        return dict(self.branch.items())
