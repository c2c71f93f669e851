"""Hou et al.: events heard and objects seen, aligned as classes and fused by attention."""

from collections.abc import Callable, Sequence
from typing import Annotated, cast

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from avsc import spelling
from avsc.heads import Batch, Count, Dims
from avsc.heads._ceoa import MODES, alignment, check_k, choose
from avsc.heads._mlp import flat, pooled
from avsc.heads._semantic_fusion import ScalarAttention

ALONE = {"ceoa": None, "sf": False}  # where there is one modality
LABELS = {"audio": "events", "video": "objects"}
LOSSES = ("e", "o", "e2o", "o2e", "s")
TINY = {
    "dims": {"audio": (5,), "video": (4,), "events": (6,), "objects": (7,)},
    "hparams": {"k": 2, "width": 8, "heads": 2, "head_dim": 4},
}


class Branch(nn.Module):
    """Embedding -> Linear-ReLU -> Linear: a tagger; the rows of `classify` are the classes."""

    def __init__(self, dim: int, width: int, labels: int) -> None:
        super().__init__()
        self.embed = nn.Linear(dim, width)
        self.classify = nn.Linear(width, labels)

    def hidden(self, x: Float[Tensor, "row ..."]) -> Float[Tensor, "row width"]:
        """Return what the classifier reads."""
        return self.embed(pooled(x)).relu()

    def forward(self, x: Float[Tensor, "row ..."]) -> Float[Tensor, "row label"]:
        """Return logits of the labels."""
        return self.classify(self.hidden(x))


class Head(nn.Module):
    """Taggers of events (audio) and objects (video), whose class scores tell the scene.

    Trained on L = l_e L_e + l_o L_o + l_e2o L_e2o + l_o2e L_o2e + l_s L_s, of which the first two
    are binary cross-entropies against x["events"] and x["objects"]. Prediction needs neither.

    Args:
        dims: "audio" with "events", "video" with "objects", or all four. With one modality its
            class scores alone go to the last layer, and only its losses count.
        ceoa: how contrastive event-object alignment takes negatives, lkm (the least probable
            classes) or rkm (random ones); None: no alignment.
        k: positives, and negatives, of each item.
        sf: add to the class scores of each modality what they attend to in the other's.
        loss_weights: l_e, l_o, l_e2o, l_o2e, l_s.
        width: of a class's weight vector, in both branches.
        heads: of the attention.
        head_dim: width of an attention head.
        fusion_width: of a hidden layer between class scores and scenes; None: a linear layer.

    Raises:
        ValueError: if an argument is out of range, or asks one modality for the other.

    References:
        Hou et al., Audio-visual scene classification via contrastive event-object alignment and
        semantic-based fusion, arXiv:2208.02086. Ours, where the paper is silent: the audio
        embedding's width becomes 1024 in its first layer; ReLU stands before the tagger, not after
        it; the fusion layer is linear; attention reads probabilities and adds to logits; without
        SF the logits themselves are concatenated; cross-entropies are means over classes too.
    """

    def __init__(
        self,
        dims: Dims,
        num_classes: int,
        *,
        ceoa: Annotated[str, "lkm | rkm"] | None = "lkm",
        k: Count = 15,
        sf: bool = True,
        loss_weights: Sequence[float | int] = (1.0, 1.0, 1.0, 1.0, 1.0),
        width: Count = 1024,
        heads: Count = 8,
        head_dim: Count = 64,
        fusion_width: Count | None = None,
    ) -> None:
        super().__init__()
        self.modalities = [m for m in LABELS if m in dims]
        classes = _classes(dims, self.modalities)
        _check(self.modalities, ceoa=ceoa, sf=sf, loss_weights=loss_weights)
        if ceoa:
            check_k(k, classes)
        self.ceoa, self.k, self.sf = ceoa, k, sf
        self.loss_weights = dict(zip(LOSSES, loss_weights, strict=True))
        self.branch = nn.ModuleDict(
            {m: Branch(flat(dims[m]), width, classes[LABELS[m]]) for m in self.modalities}
        )
        if sf:
            self.attend = nn.ModuleDict(
                {m: ScalarAttention(heads=heads, head_dim=head_dim) for m in self.modalities}
            )
        self.fuse = _fusion(sum(classes.values()), fusion_width, num_classes)

    def forward(self, x: Batch) -> Float[Tensor, "row scene"]:
        """Return logits."""
        return self._scenes(self._tags(x))

    def loss(
        self,
        x: Batch,
        targets: Shaped[Tensor, "row ..."],
        criterion: Callable[[Tensor, Tensor], Tensor],
    ) -> Float[Tensor, ""]:
        """Return the weighted sum of the losses; `criterion` is that of the scenes."""
        tags = self._tags(x)
        losses = {"s": criterion(self._scenes(tags), targets)}
        for m, name in (("audio", "e"), ("video", "o")):
            if m in tags:
                losses[name] = F.binary_cross_entropy_with_logits(tags[m], x[LABELS[m]])
        if self.ceoa:
            losses["e2o"], losses["o2e"] = self._alignment(tags)
        return torch.stack([self.loss_weights[name] * loss for name, loss in losses.items()]).sum()

    def branch_embeddings(self, x: Batch) -> dict[str, Float[Tensor, "row width"]]:
        """Return the hidden layer of each branch."""
        return {m: self._branch(m).hidden(x[m]) for m in self.modalities}

    def class_weights(self) -> dict[str, Float[Tensor, "label width"]]:
        """Return the weight vector of each event and object: what CEOA aligns."""
        kinds = {LABELS[m]: self._branch(m).classify.weight.detach() for m in self.modalities}
        return dict(sorted(kinds.items()))

    def _branch(self, modality: str) -> Branch:
        return cast(Branch, self.branch[modality])

    def _tags(self, x: Batch) -> dict[str, Tensor]:
        return {m: self.branch[m](x[m]) for m in self.modalities}

    def _scenes(self, tags: dict[str, Tensor]) -> Float[Tensor, "row scene"]:
        scores = tags
        if self.sf:
            probs = {m: logits.sigmoid() for m, logits in tags.items()}
            other = {"audio": "video", "video": "audio"}
            scores = {m: tags[m] + self.attend[m](probs[m], probs[other[m]]) for m in tags}
        return self.fuse(torch.cat([scores[m] for m in self.modalities], dim=1))

    def _alignment(self, tags: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        mode = str(self.ceoa)
        return alignment(
            self._branch("audio").classify.weight,
            self._branch("video").classify.weight,
            choose(tags["audio"].detach(), self.k, mode=mode),
            choose(tags["video"].detach(), self.k, mode=mode),
        )


def _classes(dims: Dims, modalities: list[str]) -> dict[str, int]:
    """Return the number of labels of each modality's kind."""
    if lacking := [LABELS[m] for m in modalities if LABELS[m] not in dims]:
        raise ValueError(
            f"dims holds {sorted(dims)} but not {lacking}: this head trains on pseudo-labels; "
            "give it the pseudo_label stage's"
        )
    return {LABELS[m]: dims[LABELS[m]][0] for m in modalities}


def _check(
    modalities: list[str], *, ceoa: str | None, sf: bool, loss_weights: Sequence[float | int]
) -> None:
    if not modalities:
        raise ValueError("dims has neither audio nor video; give at least one of them")
    if ceoa is not None and ceoa not in MODES:
        raise ValueError(f"ceoa is {ceoa!r}, {spelling.expected(ceoa, [*MODES, 'null'])}")
    if len(modalities) == 1 and (ceoa or sf):
        raise ValueError(
            f"ceoa ({ceoa!r}) and sf ({sf}) join audio and video, found {modalities[0]} only; "
            "set ceoa: null and sf: false"
        )
    if len(loss_weights) != len(LOSSES):
        raise ValueError(
            f"loss_weights has {len(loss_weights)} numbers, expected {len(LOSSES)}: "
            + ", ".join(f"l_{name}" for name in LOSSES)
        )


def _fusion(scores: int, hidden: int | None, num_classes: int) -> nn.Module:
    if hidden is None:
        return nn.Linear(scores, num_classes)
    return nn.Sequential(nn.Linear(scores, hidden), nn.ReLU(), nn.Linear(hidden, num_classes))
