import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from torch import nn

from avsc.heads._semantic_fusion import MOST_NODES, ScalarAttention, node_count
from bench import semantic_fusion
from tests.elsewhere import a_second_device

TOKENS = {
    "anywhere": lambda u: u,
    "mostly near 0": lambda u: u**8,
    "mostly near 1": lambda u: 1 - u**8,
    "in a narrow band": lambda u: 0.3 + 1e-3 * u,
    "all equal": lambda u: torch.full_like(u, 0.3),
    "0 or 1": torch.round,
}


def attention(*, seed=0, gain=1.0, heads=8, head_dim=64):
    """Return attention whose steepness is about `gain` times that of a head as it is drawn."""
    torch.manual_seed(seed)
    drawn = ScalarAttention(heads=heads, head_dim=head_dim)
    with torch.no_grad():
        for p in (drawn.query.weight, drawn.query.bias, drawn.key.weight):
            p *= gain**0.5
    return drawn


def tokens(*, seed=0, row=2, query=90, key=50, kind="anywhere"):
    draw = torch.Generator().manual_seed(seed)
    return [TOKENS[kind](torch.rand(row, n, generator=draw)) for n in (query, key)]


def value_and_gradients(module, form, queries, keys, upstream):
    module.zero_grad()
    inputs = [queries.clone().requires_grad_(), keys.clone().requires_grad_()]
    value = getattr(module, form)(*inputs)
    value.backward(upstream)
    gradients = {f"gradient of {n}": p.grad.clone() for n, p in module.named_parameters()}
    return {
        "value": value.detach(),
        "gradient of queries": inputs[0].grad,
        "gradient of keys": inputs[1].grad,
        **gradients,
    }


def assert_equal_to_ordinary(module, queries, keys):
    """Compare float32 with the textbook in float64: the textbook's own rounding is out of it."""
    upstream = torch.randn(queries.shape, generator=torch.Generator().manual_seed(9)).to(queries)
    expected = value_and_gradients(
        copy.deepcopy(module).double(),
        "ordinary",
        *(t.double() for t in (queries, keys, upstream)),
    )
    found = value_and_gradients(module, "forward", queries, keys, upstream)
    for name, reference in expected.items():
        size = max(1.0, reference.abs().max().item())
        difference = (found[name] - reference).abs().max().item()
        assert difference <= 1e-4 * size, f"{name} differs by {difference:.1e} of {size:.1e}"


@given(
    seed=st.integers(0, 10_000),
    gain=st.floats(0, 60),
    kind=st.sampled_from(sorted(TOKENS)),
    heads=st.integers(1, 8),
    head_dim=st.sampled_from([1, 4, 64]),
)
@settings(max_examples=60, deadline=None)
def test_values_and_gradients_equal_those_of_ordinary_attention(seed, gain, kind, heads, head_dim):
    module = attention(seed=seed, gain=gain, heads=heads, head_dim=head_dim)
    assert_equal_to_ordinary(module, *tokens(seed=seed, kind=kind))


@pytest.mark.slow
@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("gain", [0.0, 1.0, 30.0, 50.0, 300.0])
def test_they_are_equal_at_the_size_of_the_paper_too(gain, kind):
    assert_equal_to_ordinary(attention(gain=gain), *tokens(row=1, query=1000, key=527, kind=kind))
    assert_equal_to_ordinary(attention(gain=gain), *tokens(row=1, query=527, key=1000, kind=kind))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("gain", [1.0, 50.0, 300.0])
def test_they_are_equal_on_a_gpu_too(gain):
    queries, keys = (t.cuda() for t in tokens(row=8, query=1000, key=527))
    assert_equal_to_ordinary(attention(gain=gain).cuda(), queries, keys)


@pytest.mark.parametrize("gain", [1.0, 300.0])
def test_they_are_equal_on_a_second_device_too(gain):
    with a_second_device() as device:
        queries, keys = (t.to(device) for t in tokens())
        assert_equal_to_ordinary(attention(gain=gain).to(device), queries, keys)


@pytest.mark.parametrize("gain", [1.0, 100.0])
def test_only_steep_heads_are_computed_at_every_query(gain):
    steepest = attention(gain=gain).steepness().abs().max().item()
    assert (node_count(steepest) < 90) == (gain == 1.0)
    assert_equal_to_ordinary(attention(gain=gain), *tokens(query=90))


def by_loops(module, queries, keys):
    """Return the attention of one row, number by number."""
    w_q, b_q = module.query.weight[:, 0].tolist(), module.query.bias.tolist()
    w_k, w_v, b_v = (
        w.tolist() for w in (module.key.weight[:, 0], module.value.weight[:, 0], module.value.bias)
    )
    w_o, d = module.output.weight[0].tolist(), module.head_dim
    result = []
    for q in queries:
        total = module.output.bias.item()
        for head in range(module.heads):
            units = range(head * d, (head + 1) * d)
            scores = [
                sum((q * w_q[u] + b_q[u]) * k * w_k[u] for u in units) / math.sqrt(d) for k in keys
            ]
            mass = sum(math.exp(s) for s in scores)
            for u in units:
                attended = sum(
                    math.exp(s) / mass * (k * w_v[u] + b_v[u])
                    for s, k in zip(scores, keys, strict=True)
                )
                total += w_o[u] * attended
        result.append(total)
    return result


@pytest.mark.parametrize("form", ["forward", "ordinary"])
@pytest.mark.parametrize("gain", [0.3, 30.0])
def test_attention_equals_loops_over_every_number(form, gain):
    module = attention(gain=gain, heads=2, head_dim=3)
    queries = [0.0, 0.1, 0.35, 0.5, 0.8, 1.0, 0.2, 0.7, 0.9, 0.6]
    keys = [0.05, 0.4, 0.95]
    found = getattr(module, form)(torch.tensor([queries]), torch.tensor([keys]))[0]
    assert found.tolist() == pytest.approx(by_loops(module, queries, keys), abs=1e-5)


def test_one_head_of_width_one_gives_a_value_worked_out_by_hand():
    """Score = q k ln 3 and output = 2 m: of keys 0 and 1 a query of 1 attends to 1 with 3/4."""
    module = ScalarAttention(heads=1, head_dim=1)
    with torch.no_grad():
        for p in module.parameters():
            p.zero_()
        module.query.weight += math.log(3)
        module.key.weight += 1
        module.value.weight += 1
        module.output.weight += 2
    queries, keys = torch.tensor([[0.0, 1.0] * 8]), torch.tensor([[0.0, 1.0]])
    for form in (module, module.ordinary):
        assert form(queries, keys)[0, :2].tolist() == pytest.approx([1.0, 1.5], abs=1e-5)


@pytest.mark.parity
def test_the_reference_equals_torch_and_a_key_bias_would_change_nothing():
    module = attention(heads=4, head_dim=8)
    torchs = nn.MultiheadAttention(32, 4, kdim=1, vdim=1, batch_first=True)
    with torch.no_grad():
        torchs.q_proj_weight.zero_()[:, :1] = module.query.weight
        torchs.k_proj_weight.copy_(module.key.weight)
        torchs.v_proj_weight.copy_(module.value.weight)
        key_bias = torch.randn(32)
        torchs.in_proj_bias.copy_(torch.cat([module.query.bias, key_bias, module.value.bias]))
        torchs.out_proj.weight[:1] = module.output.weight
        torchs.out_proj.bias[:1] = module.output.bias
    queries, keys = tokens()
    wide = nn.functional.pad(queries[..., None], (0, 31))
    expected, _ = torchs(wide, keys[..., None], keys[..., None])
    torch.testing.assert_close(module.ordinary(queries, keys), expected[..., 0])


@pytest.mark.parametrize("gain", [1.0, 100.0])
def test_a_value_has_the_same_bits_with_a_gradient_and_without(gain):
    module, (queries, keys) = attention(gain=gain), tokens()
    with_gradient = module(queries.clone().requires_grad_(), keys).detach()
    assert torch.equal(module(queries, keys), with_gradient)


def test_no_row_influences_another():
    queries, keys = tokens(row=5)
    module = attention(gain=5.0)
    together = module(queries, keys)
    alone = torch.cat([module(queries[i : i + 1], keys[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(alone, together, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("steepest", [0.0, 1.0, 5.0, 40.0])
@pytest.mark.parametrize("shift", [0.0, -0.5, 1.0])
def test_that_many_nodes_interpolate_the_worst_case_as_closely_as_promised(steepest, shift):
    """Keys 0 and 1 have the nearest poles: m(t) = sigmoid(t)."""

    def m(x):
        return expit(steepest * (x / 2 + shift))

    x = np.linspace(-1, 1, 1001)
    interpolant = np.polynomial.Chebyshev.interpolate(m, node_count(steepest) - 1)
    assert abs(interpolant(x) - m(x)).max() < 1e-6


@pytest.mark.parametrize("steepest", [1e15, 1e17, 3e38, math.inf, math.nan])
def test_heads_however_steep_are_computed_at_every_query(steepest):
    assert (node_count(steepest) or math.inf) > MOST_NODES


def test_weights_that_are_not_finite_give_a_value_that_is_not():
    module = attention()
    module.query.weight.data[0] = math.nan
    assert torch.isnan(module(*tokens())).all()


def test_queries_that_are_no_probabilities_give_nan_and_never_a_plausible_number():
    queries, keys = tokens()
    queries[0, 3] = 1.5
    assert torch.isnan(attention()(queries, keys)).nonzero().tolist() == [[0, 3]]


def test_attention_has_the_parameters_of_scalar_projections():
    """Query 512 + 512, key 512, value 512 + 512, output 512 + 1."""
    assert sum(p.numel() for p in attention().parameters()) == 3073


def test_the_benchmark_reports_both_forms_of_each_gain():
    table = semantic_fusion.rows(tokens=(40, 30), batch=2, gains=(1.0, 2.0), repeats=1, threads=1)
    assert [row["gain"] for row in table] == [1.0, 2.0]
    for row in table:
        assert row["ratio"] == row["ordinary_s"] / row["interpolated_s"]
        assert row["difference"] < 1e-5
