"""Early fusion without a hidden layer: multinomial logistic regression, solved to its optimum."""

from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from avsc.heads import Batch, Count, Dims
from avsc.heads._mlp import flat, pooled

TOLERANCE = 1e-10  # scikit-learn's default leaves up to 0.5 in a probability for C = 100


class Head(nn.Module):
    """A linear classifier over the embeddings side by side.

    Args:
        C: inverse of the L2 penalty, as in scikit-learn.
        max_iter: of Newton's method.
    """

    def __init__(
        self,
        dims: Dims,
        num_classes: int,
        *,
        C: Annotated[float, "x > 0"] = 1.0,
        max_iter: Count = 1000,
    ) -> None:
        super().__init__()
        self.modalities, self.C, self.max_iter = sorted(dims), C, max_iter
        self.classify = nn.Linear(sum(flat(dims[m]) for m in self.modalities), num_classes)

    def forward(self, x: Batch) -> Float[Tensor, "row scene"]:
        """Return logits."""
        return self.classify(self._side_by_side(x))

    def solve(self, x: Batch, targets: Int[Tensor, " row"]) -> None:
        """Fit the weights; `targets` must hold every class."""
        # half a second to import, which no prediction needs
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(
            C=self.C, max_iter=self.max_iter, solver="newton-cg", tol=TOLERANCE
        )
        model.fit(self._side_by_side(x).double().cpu().numpy(), targets.cpu().numpy())
        coef, intercept = torch.from_numpy(model.coef_), torch.from_numpy(model.intercept_)
        if len(coef) == 1:  # two classes: scikit-learn gives the log-odds of the second
            coef, intercept = torch.cat([-coef, coef]) / 2, torch.cat([-intercept, intercept]) / 2
        with torch.no_grad():
            self.classify.weight.copy_(coef)
            self.classify.bias.copy_(intercept)

    def _side_by_side(self, x: Batch) -> Float[Tensor, "row dim"]:
        return torch.cat([pooled(x[m]) for m in self.modalities], dim=1)
