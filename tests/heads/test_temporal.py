import pytest
import torch
from torch import nn

from avsc.heads.temporal import KINDS, CausalBlock, Convolutional, Head

DIMS = {"audio": (12, 2, 5), "video": (4,)}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def make(kind, dims=DIMS, **hparams):
    return Head(dims, 3, kind=kind, **({"width": 16} | hparams)).eval()


def batch(dims=DIMS, rows=2):
    return {m: torch.randn(rows, *shape) for m, shape in dims.items()}


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("gru", 3 * (128 * 64 + 64 * 64 + 2 * 64)),  # gates * (input, state, two biases)
        ("lstm", 4 * (128 * 64 + 64 * 64 + 2 * 64)),
        # two convolutions of 3 frames, a scale and a bias a channel, and the shortcut
        ("tcn", (3 * 128 * 64 + 128) + (3 * 64 * 64 + 128) + (128 * 64 + 64)),
        # projection; attention 4 (64^2 + 64); feed-forward 64 -> 256 -> 64; three normalisations
        (
            "transformer",
            (128 * 64 + 64) + 4 * (64 * 64 + 64) + (2 * 64 * 256 + 256 + 64) + 3 * 128,
        ),
    ],
)
def test_an_encoder_of_one_layer_has_the_parameters_of_its_formula(kind, parameters):
    head = make(kind, {"audio": (98, 128)}, width=64, depth=1)
    assert count(head.encode["audio"]) == parameters
    # the classifier: 64 -> 128, BatchNorm, -> 3
    assert count(head) - parameters == (64 * 128 + 128) + 256 + (128 * 3 + 3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_frames_counts(kind):
    head, x = make(kind), batch()
    turned = x | {"audio": x["audio"].flip(1)}
    assert not torch.allclose(head(x), head(turned), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_reaches_the_decision(kind):
    x = batch()
    x["audio"].requires_grad_()
    make(kind)(x)[0].sum().backward()
    reached = x["audio"].grad.flatten(2).abs().sum(dim=2) > 0
    assert reached.tolist() == [[True] * 12, [False] * 12]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [{"audio": (6, 5)}, {"audio": (6, 5), "video": (3, 4)}])
def test_one_modality_or_two_sequences_are_encoded(kind, dims):
    head, x = make(kind, dims), batch(dims)
    assert head(x).shape == (2, 3)
    assert {m: e.shape for m, e in head.branch_embeddings(x).items()} == dict.fromkeys(
        dims, (2, 16)
    )


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_a_recurrent_embedding_is_the_mean_hidden_state(kind):
    head, x = make(kind, depth=1), batch()
    layers, state, states = head.encode["audio"].layers, None, []
    for frame in x["audio"].flatten(2).unbind(dim=1):
        out, state = layers(frame[:, None], state)
        states.append(out[:, 0])
    embedding = head.branch_embeddings(x)["audio"]
    torch.testing.assert_close(embedding, sum(states) / len(states))


def test_an_embedding_goes_through_a_linear_layer():
    head, x = make("gru"), batch()
    linear = head.encode["video"]
    assert isinstance(linear, nn.Linear)
    torch.testing.assert_close(head.branch_embeddings(x)["video"], linear(x["video"]))


@pytest.mark.parametrize(("depth", "reach"), [(1, 5), (2, 13), (3, 29)])
def test_a_tcn_sees_as_far_back_as_its_dilations_reach_and_never_ahead(depth, reach):
    # a block of two convolutions of 3 frames reaches 2 * 2 * dilation back: 1 + 4 * (1 + 2 + ...)
    encoder = Convolutional(2, 32, depth, 3, 0.2).eval()
    x = torch.randn(1, 40, 2, requires_grad=True)
    encoder(x)[0, 34].sum().backward()
    seen = x.grad[0].abs().sum(dim=1).nonzero().flatten().tolist()
    assert seen == list(range(34 - reach + 1, 35))


def test_a_tcn_block_is_two_dilated_convolutions_and_a_shortcut():
    block = CausalBlock(1, 1, 2, 2, 0.2).eval()
    first, second = block.main[1], block.main[5]
    for convolution, taps, bias in ((first, [2.0, 1.0], 0.5), (second, [-1.0, 3.0], -1.0)):
        convolution.weight = torch.tensor([[taps]])
        nn.init.constant_(convolution.bias, bias)
    x = torch.tensor([[[1.0, -2.0, 0.0, 1.0]]])
    # first: relu(2 x[t-2] + x[t] + .5) = 1.5, 0, 2.5, 0; second: relu(-y[t-2] + 3 y[t] - 1)
    # = 3.5, 0, 5, 0; plus x, relu
    assert block(x).tolist() == [[[4.5, 0.0, 5.0, 1.0]]]


def test_the_filters_of_a_tcn_are_as_long_as_their_scale():
    convolution = CausalBlock(3, 4, 3, 1, 0.2).main[1]
    scale = convolution.parametrizations.weight.original0
    nn.init.constant_(scale, 2.5)
    torch.testing.assert_close(convolution.weight.flatten(1).norm(dim=1), torch.full((4,), 2.5))


@pytest.mark.parametrize(
    ("dims", "hparams", "message"),
    [
        (DIMS, {"kind": "rnn"}, r"kind is 'rnn', expected one of gru, lstm, tcn, trans"),
        ({"audio": (5,)}, {}, r"needs \(frame, ...\) rows, found {'audio': \(5,\)}; take an enc"),
        (DIMS, {"kind": "transformer", "width": 10}, "width 10 does not divide into 4 heads"),
    ],
)
def test_what_cannot_be_encoded_is_refused(dims, hparams, message):
    with pytest.raises(ValueError, match=message):
        Head(dims, 3, **hparams)
