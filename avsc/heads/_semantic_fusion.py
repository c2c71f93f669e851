"""Multi-head attention over tokens that are probabilities, in linear time.

A token is one number, so a head's score is q_i k_j (w_Q . w_K) / sqrt(d) plus terms of q_i or k_j
alone, and the softmax over j cancels the former. A head therefore gives m(t_i), where

    t_i = a q_i + b,   a = w_Q . w_K / sqrt(d),   b = b_Q . w_K / sqrt(d)
    m(t) = sum_j softmax_j(t k_j) k_j

and value and output projection multiply it by c = w_O . w_V. The sum over the heads,
f(q) = sum_h c_h m_h(a_h q + b_h), is a smooth function of one number in [0, 1] for each row:
it is computed at a few Chebyshev nodes and interpolated at the queries.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

TOLERANCE = 1e-6  # of the interpolation, for m and for its derivative in q
MOST_NODES = 128  # beyond, float32 rounds cos(degree * angle) too coarsely


class ScalarAttention(nn.Module):
    """Multi-head attention whose queries, keys and values are probabilities, one number a token.

    Keys have no bias: it would add the same to all scores of a query, which the softmax cancels.

    Args:
        heads: number of heads.
        head_dim: width of a head's queries, keys and values.
    """

    def __init__(self, *, heads: int = 8, head_dim: int = 64) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, head_dim
        width = heads * head_dim
        self.query = nn.Linear(1, width)
        self.key = nn.Linear(1, width, bias=False)
        self.value = nn.Linear(1, width)
        self.output = nn.Linear(width, 1)

    def forward(
        self, queries: Float[Tensor, "row query"], keys: Float[Tensor, "row key"]
    ) -> Float[Tensor, "row query"]:
        """Return the attended keys; equal to `ordinary` but for rounding.

        The number of nodes follows from the weights alone, so no row influences another. Above
        MOST_NODES, or the number of queries, m is computed at every query instead.

        Args:
            queries: in [0, 1]; anything else gives NaN.
            keys: in [0, 1].
        """
        a, b, c = self.steepness(), self._offset(), self._gain()
        nodes = node_count(a.detach().abs().max().item())
        if nodes and nodes <= min(MOST_NODES, queries.shape[1]):
            heads = _interpolated(a, b, c, queries, keys, nodes)
        else:
            heads = _at_every_query(a, b, c, queries, keys)
        return heads + self.output(self.value.bias)

    def steepness(self) -> Float[Tensor, " head"]:
        """Return a of each head: how its score grows with query times key."""
        return self._by_head(self.query.weight * self.key.weight) * self.head_dim**-0.5

    def _offset(self) -> Float[Tensor, " head"]:
        return self._by_head(self.query.bias * self.key.weight[:, 0]) * self.head_dim**-0.5

    def _gain(self) -> Float[Tensor, " head"]:
        return self._by_head(self.output.weight * self.value.weight.T)

    def _by_head(self, products: Float[Tensor, "*width"]) -> Float[Tensor, " head"]:
        return products.view(self.heads, self.head_dim).sum(1)

    def ordinary(
        self, queries: Float[Tensor, "row query"], keys: Float[Tensor, "row key"]
    ) -> Float[Tensor, "row query"]:
        """Return the same by the textbook: every score of every head; the reference."""
        q, k, v = (
            project(tokens[..., None]).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project, tokens in ((self.query, queries), (self.key, keys), (self.value, keys))
        )
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.output(attended.transpose(1, 2).flatten(2)).squeeze(-1)


def node_count(steepest: float) -> int | None:
    """Return how many Chebyshev nodes on [0, 1] give m(a q + b) and its derivative in q.

    For keys in [0, 1] and |Im t| <= theta < pi the terms of sum_j exp(t k_j) lie within an angle
    theta, so that the sum is no less than cos(theta / 2) times that of their magnitudes and
    |m| <= M = 1 / cos(theta / 2), |m'| <= M + M^2. In the ellipse rho inside that strip,
    n + 1 nodes err by at most 4 max|f| rho^-n / (rho - 1).

    Args:
        steepest: the largest |a| of the heads.

    Returns:
        The number; None where `steepest` is not finite, or so large that no ellipse is left.

    References:
        Trefethen, Approximation Theory and Approximation Practice, theorem 8.2.
    """
    if not math.isfinite(steepest):
        return None
    a, theta = max(steepest, 1.0), 0.9 * math.pi
    m = 1 / math.cos(theta / 2)
    semi_axis = 2 * theta / a
    rho = semi_axis + math.hypot(1, semi_axis)
    if rho == 1:
        return None
    largest = 4 * (m + m**2) * a / (rho - 1)
    return 1 + math.ceil(math.log(largest / TOLERANCE) / math.log(rho))


def _interpolated(
    a: Float[Tensor, " head"],
    b: Float[Tensor, " head"],
    c: Float[Tensor, " head"],
    queries: Float[Tensor, "row query"],
    keys: Float[Tensor, "row key"],
    nodes: int,
) -> Float[Tensor, "row query"]:
    """Return f at the queries from its values at the nodes.

    The gradient in the queries is interpolated from f' at the nodes: a derivative of the
    interpolant would magnify its rounding errors by up to the square of the number of nodes.
    """
    degree = torch.arange(nodes, device=keys.device, dtype=keys.dtype)
    angle = (degree + 0.5) * (math.pi / nodes)
    t = torch.outer(a, (angle / 2).sin().square()) + b[:, None]
    t, (k, centre) = t.expand(len(keys), -1, -1), _centred(keys)
    mean = _attended(t, k, k)
    f = torch.einsum("h,rhn->rn", c, mean + centre)
    with torch.no_grad():
        to_degrees = torch.outer(angle, degree).cos() * (2 / nodes)
        to_degrees[:, 0] /= 2
        polynomials = (2 * queries.sqrt().asin()[..., None] * degree).cos()
    value_at = torch.einsum("rqd,rd->rq", polynomials, f @ to_degrees)
    if not queries.requires_grad:
        return value_at
    with torch.no_grad():
        variance = _attended(t, k, k.square()) - mean.square()
        slope = torch.einsum("h,rhn->rn", c * a, variance)
        slope_at = torch.einsum("rqd,rd->rq", polynomials, slope @ to_degrees)
    return value_at + (queries - queries.detach()) * slope_at


def _at_every_query(
    a: Float[Tensor, " head"],
    b: Float[Tensor, " head"],
    c: Float[Tensor, " head"],
    queries: Float[Tensor, "row query"],
    keys: Float[Tensor, "row key"],
) -> Float[Tensor, "row query"]:
    k, centre = _centred(keys)
    mean = _attended(queries[:, None, :] * a[:, None] + b[:, None], k, k) + centre
    return torch.einsum("h,rhq->rq", c, mean)


def _centred(
    keys: Float[Tensor, "row key"],
) -> tuple[Float[Tensor, "row key"], Float[Tensor, "row 1 1"]]:
    """Return the keys less their mean, and it: no softmax moves, small variances stay exact."""
    centre = keys.detach().mean(1, keepdim=True)
    return keys - centre, centre[:, :, None]


def _attended(
    t: Float[Tensor, "row head point"],
    keys: Float[Tensor, "row key"],
    values: Float[Tensor, "row key"],
) -> Float[Tensor, "row head point"]:
    """Return the mean of the values under softmax(t keys)."""
    points, k, v = t.flatten(1)[:, None, :, None], keys[:, None, :, None], values[:, None, :, None]
    return F.scaled_dot_product_attention(points, k, v, scale=1.0).view(t.shape)
