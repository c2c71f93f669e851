import pytest
import torch

from avsc.heads._mlp import positions
from avsc.heads.attention import Head, Layer, Tokens

DIMS = {"audio": (6, 2, 5), "video": (4, 3)}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def head():
    return Head(DIMS, 3, width=8, heads=2, depth=2).eval()


def batch(rows=2):
    return {m: torch.randn(rows, *shape) for m, shape in DIMS.items()}


def attend(layer, query, source):
    """Return softmax(q k^T / sqrt(d)) v of each head, written out for one row."""
    w_q, w_k, w_v = layer.in_proj_weight.chunk(3)
    b_q, b_k, b_v = layer.in_proj_bias.chunk(3)
    q, k, v = query @ w_q.T + b_q, source @ w_k.T + b_k, source @ w_v.T + b_v
    size = q.shape[1] // layer.num_heads
    outputs = []
    for h in range(layer.num_heads):
        part = slice(h * size, (h + 1) * size)
        weights = (q[:, part] @ k[:, part].T / size**0.5).softmax(dim=1)
        outputs.append(weights @ v[:, part])
    return layer.out_proj(torch.cat(outputs, dim=1))


@pytest.mark.parity
def test_a_layer_attends_to_its_own_sequence_then_the_others_then_feeds_forward():
    layer = Layer(8, 2, 0.2, crossed=True).eval()
    own, other = torch.randn(6, 8), torch.randn(4, 8)
    norm = layer.norm
    by_hand = own + attend(layer.attend["own"], norm["own"](own), norm["own"](own))
    by_hand = by_hand + attend(layer.attend["other"], norm["other"](by_hand), norm["read"](other))
    by_hand = by_hand + layer.feed_forward(norm["feed"](by_hand))
    torch.testing.assert_close(layer(own[None], other[None])[0], by_hand)


@pytest.mark.parametrize("modality", sorted(DIMS))
def test_every_frame_of_each_modality_reaches_the_decision(head, modality):
    x = batch(1)
    x[modality].requires_grad_()
    head(x)[0, 0].backward()
    assert (x[modality].grad.flatten(2).abs().sum(dim=2) > 0).all()


def test_in_every_layer_each_modality_reads_what_the_other_was_before_it(head):
    x = batch()
    audio, video = (head.tokenize[m](x[m]) for m in ("audio", "video"))
    for hears, sees in zip(head.layers["audio"], head.layers["video"], strict=True):
        audio, video = hears(audio, video), sees(video, audio)
    mean = (audio.mean(dim=1) + video.mean(dim=1)) / 2
    torch.testing.assert_close(head(x), head.classify(head.norm(mean)))


def test_only_the_step_between_the_modalities_joins_more_than_their_means(head):
    x = batch()
    crossed = head(x)
    with torch.no_grad():
        for layers in head.layers.values():
            for layer in layers:
                layer.attend["other"].out_proj.weight.zero_()
                layer.attend["other"].out_proj.bias.zero_()
    means = []
    for m in ("audio", "video"):
        tokens = head.tokenize[m](x[m])
        for layer in head.layers[m]:
            tokens = layer(tokens, None)
        means.append(tokens.mean(dim=1))
    torch.testing.assert_close(head(x), head.classify(head.norm(sum(means) / 2)))
    assert not torch.allclose(head(x), crossed, atol=1e-3)


def test_the_gradient_of_one_row_stays_in_the_row(head):
    x = batch(3)
    for rows in x.values():
        rows.requires_grad_()
    head(x)[1].sum().backward()
    for rows in x.values():
        assert rows.grad[[0, 2]].abs().max() == 0
        assert rows.grad[1].abs().max() > 0


def test_the_order_of_the_frames_counts(head):
    x = batch()
    turned = x | {"audio": x["audio"].flip(1)}
    assert not torch.allclose(head(x), head(turned), atol=1e-4)


def test_a_vector_becomes_as_many_tokens_as_asked_for():
    tokens = Tokens((5,), 8, 3)
    x = torch.randn(2, 5)
    assert tokens(x).shape == (2, 3, 8)
    torch.testing.assert_close(tokens(x).flatten(1), tokens.project(x))


def test_frames_may_be_fewer_than_the_head_was_made_for(head):
    x = batch()
    assert head(x | {"audio": x["audio"][:, :2]}).shape == (2, 3)


def test_an_opinion_of_a_branch_is_the_head_without_the_other(head):
    x = batch()
    opinions = head.branch_logits(x)
    for m in DIMS:
        missing = {k: rows if k == m else torch.zeros_like(rows) for k, rows in x.items()}
        torch.testing.assert_close(opinions[m], head(missing))


def test_a_place_is_told_by_sines_and_cosines():
    # width 4: rates 1 and 1/100
    by_hand = [[0, 1, 0, 1], [0.841471, 0.540302, 0.0099998, 0.99995]]
    torch.testing.assert_close(positions(2, 4), torch.tensor(by_hand), atol=1e-6, rtol=0)
    assert positions(3, 5).shape == (3, 5)


def test_a_width_that_the_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="width 10 does not divide into 4 heads; change one"):
        Head(DIMS, 3, width=10)
