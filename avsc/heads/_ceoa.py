"""Contrastive event-object alignment: the classes that an item holds draw each other near."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

MODES = ("lkm", "rkm")
Choice = tuple[Int[Tensor, "row k"], Int[Tensor, "row k"]]


def check_k(k: int, classes: dict[str, int]) -> None:
    """Refuse a K for which a class would be its own negative.

    Args:
        k: positives, and negatives, of each item.
        classes: how many there are of each kind.

    Raises:
        ValueError: unless 1 <= k and 2 k <= number of classes, of each kind.
    """
    for kind, count in classes.items():
        if not 1 <= k <= count // 2:
            raise ValueError(
                f"k is {k}, but there are {count} {kind}: K positives and K other negatives need "
                f"1 <= k <= {count // 2}"
            )


def choose(logits: Float[Tensor, "row label"], k: int, *, mode: str) -> Choice:
    """Return the classes that are positives and negatives of each item.

    Args:
        logits: of the labels.
        k: how many of each.
        mode: lkm: the negatives are the K least probable classes; rkm: K random classes among
            those that are no positives, drawn from torch's global generator.
    """
    positives = logits.topk(k).indices
    if mode == "lkm":
        return positives, logits.topk(k, largest=False).indices
    lots = torch.rand_like(logits).scatter(1, positives, -1.0)
    return positives, lots.topk(k).indices


def alignment(
    event_weights: Float[Tensor, "event dim"],
    object_weights: Float[Tensor, "object dim"],
    events: Choice,
    objects: Choice,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the losses L_e2o and L_o2e; their gradient reaches the class weights alone.

    Args:
        event_weights: one vector a class, the rows of the last linear layer.
        object_weights: the same of objects.
        events: positives P_e and negatives N_e of each item.
        objects: P_o and N_o.

    References:
        Hou et al., arXiv:2208.02086: L_e2o = -ln mean sigmoid(P_e P_o^T - P_e N_o^T) and
        L_o2e = -ln mean sigmoid(P_o P_e^T - P_o N_e^T), the mean over the K x K entries, then over
        the batch. That positives and negatives must not overlap is ours.
    """
    similarity = event_weights @ object_weights.T
    (p_e, n_e), (p_o, n_o) = events, objects
    together = _pairs(similarity, p_e, p_o)
    e2o = _minus_log_mean_sigmoid(together - _pairs(similarity, p_e, n_o))
    o2e = _minus_log_mean_sigmoid(together - _pairs(similarity, n_e, p_o))
    return e2o.mean(), o2e.mean()


def _pairs(
    similarity: Float[Tensor, "event object"],
    events: Int[Tensor, "row k"],
    objects: Int[Tensor, "row k"],
) -> Float[Tensor, "row k k"]:
    return similarity[events[:, :, None], objects[:, None, :]]


def _minus_log_mean_sigmoid(x: Float[Tensor, "row k k"]) -> Float[Tensor, " row"]:
    """Return -ln mean sigmoid(x), finite also where every sigmoid is below the smallest float."""
    entries = x.flatten(1)
    return math.log(entries.shape[1]) - F.logsigmoid(entries).logsumexp(dim=1)
