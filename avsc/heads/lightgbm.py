"""Early fusion by boosted trees over the embeddings side by side."""

from collections.abc import Mapping
from typing import Any

import lightgbm
import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn

from avsc.heads import Batch, Count, Dims
from avsc.heads._mlp import flat, pooled

TINY = {"hparams": {"n_estimators": 20, "num_leaves": 4}}


class Head(nn.Module):
    """LightGBM's multiclass trees, optionally on principal components.

    The trees are a buffer, LightGBM's own text as bytes, so that a state dict holds the whole head.
    Their seed is drawn from torch's generator when the head is made. Logits carry no gradient.

    On a few thousand rows its probabilities are too sure: `fit: {temperature: true}` mends them.

    Args:
        num_leaves: of a tree.
        n_estimators: trees of each class.
        learning_rate: by which each tree counts.
        feature_fraction: of the columns, drawn for each tree.
        pca: number of principal components, fitted first; null: the columns themselves. Sorting
            each of 1792 columns into bins is slow.
        num_threads: changes nothing but the time; 0: as many as OpenMP takes.

    Raises:
        ValueError: if `pca` is not in 1 ... number of columns, or when solved, of rows.

    References:
        Ke et al., LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 2017.
    """

    def __init__(
        self,
        dims: Dims,
        num_classes: int,
        *,
        num_leaves: Count = 31,
        n_estimators: Count = 100,
        learning_rate: float = 0.1,
        feature_fraction: float = 1.0,
        pca: int | None = None,
        num_threads: int = 0,
    ) -> None:
        super().__init__()
        self.modalities, self.pca, self.n_estimators = sorted(dims), pca, n_estimators
        columns = sum(flat(dims[m]) for m in self.modalities)
        if pca is not None:
            if not 1 <= pca <= columns:
                raise ValueError(f"pca is {pca}, expected 1 to {columns}, the number of columns")
            self.register_buffer("mean", torch.zeros(columns))
            self.register_buffer("components", torch.zeros(pca, columns))
        self.options = {
            "objective": "multiclass",
            "num_class": num_classes,
            "num_leaves": num_leaves,
            "learning_rate": learning_rate,
            "feature_fraction": feature_fraction,
            "seed": int(torch.randint(2**31 - 1, (), device="cpu")),  # where others take no memory
            "deterministic": True,
            "force_col_wise": True,  # else a race of both ways decides, and with it the rounding
            "num_threads": num_threads,
            "verbosity": -1,
        }
        self.register_buffer("trees", torch.empty(0, dtype=torch.uint8))
        self._booster: lightgbm.Booster | None = None

    def forward(self, x: Batch) -> Float32[Tensor, "row scene"]:
        """Return log-probabilities.

        Raises:
            RuntimeError: if there are no trees yet.
        """
        rows = self._columns(x)
        scores = self._grown().predict(
            rows.cpu().numpy(), raw_score=True, num_threads=self.options["num_threads"]
        )
        return torch.from_numpy(scores).log_softmax(dim=1).float().to(rows.device)

    @torch.no_grad()
    def solve(self, x: Batch, targets: Int[Tensor, " row"]) -> None:
        """Fit the components, then the trees."""
        if self.pca is not None:
            self._fit_components(self._side_by_side(x))
        data = lightgbm.Dataset(self._columns(x).cpu().numpy(), targets.cpu().numpy())
        booster = lightgbm.train(self.options, data, num_boost_round=self.n_estimators)
        text = np.frombuffer(booster.model_to_string().encode(), dtype=np.uint8)
        self.trees = torch.from_numpy(text.copy()).to(targets.device)
        self._booster = None

    def _fit_components(self, rows: Float[Tensor, "row column"]) -> None:
        if len(rows) < len(self.get_buffer("components")):
            raise ValueError(
                f"pca is {self.pca}, but there are {len(rows)} training rows; lower hparams.pca"
            )
        # half a second to import, which no prediction needs
        from sklearn.decomposition import PCA

        model = PCA(self.pca, svd_solver="covariance_eigh").fit(rows.cpu().numpy())
        self.get_buffer("mean").copy_(torch.from_numpy(model.mean_))
        self.get_buffer("components").copy_(torch.from_numpy(model.components_))

    def _side_by_side(self, x: Batch) -> Float[Tensor, "row dim"]:
        return torch.cat([pooled(x[m]) for m in self.modalities], dim=1)

    def _columns(self, x: Batch) -> Float[Tensor, "row column"]:
        """Return what the trees are grown on.

        In double precision and rounded, lest a product that is summed in another order in another
        batch lands on the other side of a threshold.
        """
        rows = self._side_by_side(x)
        if self.pca is None:
            return rows
        mean, components = self.get_buffer("mean"), self.get_buffer("components")
        return ((rows - mean).double() @ components.double().T).float()

    def _grown(self) -> lightgbm.Booster:
        if not len(self.trees):
            raise RuntimeError("this head holds no trees; solve it, or load a state dict, first")
        if self._booster is None:
            text = self.trees.cpu().numpy().tobytes().decode()
            self._booster = lightgbm.Booster(model_str=text)
        return self._booster

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Make room for the trees, which are as many bytes as they are, then load."""
        if (trees := state_dict.get(f"{prefix}trees")) is not None:
            self.trees, self._booster = self.trees.new_empty(trees.shape), None
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
