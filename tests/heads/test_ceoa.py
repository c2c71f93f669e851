import math

import pytest
import torch

from avsc.heads._ceoa import alignment, check_k, choose

EVENTS = torch.tensor([[1.0, 0.0], [0.5, -1.0], [0.0, 2.0], [-1.0, 0.5], [2.0, 1.0]])
OBJECTS = torch.tensor([[0.5, 0.5], [-1.0, 1.0], [1.5, 0.0], [0.0, -2.0]])
EVENT_LOGITS = torch.tensor([[3.0, -2.0, 0.5, 1.0, -1.0], [-3.0, 0.0, 2.0, -0.5, 4.0]])
OBJECT_LOGITS = torch.tensor([[0.1, 2.0, -1.0, 0.7], [1.0, -0.2, 0.3, -4.0]])


def chosen(logits, k=2, mode="lkm"):
    return choose(logits, k, mode=mode)


def dot(u, v):
    return sum(float(a) * float(b) for a, b in zip(u, v, strict=True))


def by_loops(weights, others, logits, other_logits, k):
    """Return the loss of one direction as the paper writes it, entry by entry."""
    losses = []
    for row, other_row in zip(logits.tolist(), other_logits.tolist(), strict=True):
        falling = sorted(range(len(row)), key=lambda c: -row[c])
        other_falling = sorted(range(len(other_row)), key=lambda c: -other_row[c])
        total = 0.0
        for p in falling[:k]:
            for j in range(k):
                positive, negative = other_falling[:k][j], other_falling[::-1][:k][j]
                x = dot(weights[p], others[positive]) - dot(weights[p], others[negative])
                total += 1 / (1 + math.exp(-x))
        losses.append(-math.log(total / k**2))
    return sum(losses) / len(losses)


def test_of_two_classes_and_k_one_the_loss_is_the_sigmoid_of_one_difference():
    """P_e = (1, 0), P_o = (ln 3, 0), N_o = 0, N_e = (0, 1): both are sigmoid(ln 3) = 3/4."""
    events, objects = torch.eye(2), torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    choice = chosen(torch.tensor([[2.0, -1.0]]), k=1)
    e2o, o2e = alignment(events, objects, choice, choice)
    assert e2o.item() == pytest.approx(math.log(4 / 3))
    assert o2e.item() == pytest.approx(math.log(4 / 3))


def test_the_two_directions_differ_where_the_negatives_do():
    """P_e N_o = ln 3 and P_o N_e = 0, P_e P_o = 0: sigmoid(-ln 3) = 1/4, sigmoid(0) = 1/2."""
    events, objects = torch.eye(2), torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
    choice = chosen(torch.tensor([[2.0, -1.0]]), k=1)
    e2o, o2e = alignment(events, objects, choice, choice)
    assert e2o.item() == pytest.approx(math.log(4))
    assert o2e.item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("k", [1, 2])
def test_both_directions_equal_the_paper_entry_by_entry(k):
    e2o, o2e = alignment(EVENTS, OBJECTS, chosen(EVENT_LOGITS, k), chosen(OBJECT_LOGITS, k))
    args = (EVENT_LOGITS, OBJECT_LOGITS)
    assert e2o.item() == pytest.approx(by_loops(EVENTS, OBJECTS, *args, k), rel=1e-5)
    assert o2e.item() == pytest.approx(by_loops(OBJECTS, EVENTS, *args[::-1], k), rel=1e-5)


def test_lkm_takes_the_most_and_the_least_probable():
    positives, negatives = chosen(EVENT_LOGITS)
    assert [set(row) for row in positives.tolist()] == [{0, 3}, {4, 2}]
    assert [set(row) for row in negatives.tolist()] == [{1, 4}, {0, 3}]


def test_rkm_takes_every_class_that_is_no_positive_about_equally_often():
    torch.manual_seed(0)
    positives, negatives = chosen(EVENT_LOGITS[:1].expand(3000, -1), mode="rkm")
    assert set(positives.flatten().tolist()) == {0, 3}
    assert (negatives[:, 0] != negatives[:, 1]).all()
    counts = negatives.flatten().bincount(minlength=5).tolist()
    assert counts[0] == counts[3] == 0
    assert all(abs(counts[c] - 2000) < 150 for c in (1, 2, 4))  # six standard deviations: 155


def test_rkm_follows_the_seed():
    logits = torch.zeros(20, 30)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(chosen(logits, k=5, mode="rkm")[1])
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_gradient_lowers_the_loss_and_leaves_unchosen_classes_alone():
    events, objects = EVENTS.clone().requires_grad_(), OBJECTS.clone().requires_grad_()
    choices = chosen(EVENT_LOGITS[:1], k=1), chosen(OBJECT_LOGITS[:1], k=1)
    sum(alignment(events, objects, *choices)).backward()
    assert set(events.grad.abs().sum(1).nonzero().flatten().tolist()) == {0, 1}
    assert set(objects.grad.abs().sum(1).nonzero().flatten().tolist()) == {1, 2}
    stepped = alignment(EVENTS - 0.1 * events.grad, OBJECTS - 0.1 * objects.grad, *choices)
    assert sum(stepped) < sum(alignment(EVENTS, OBJECTS, *choices))


@pytest.mark.parametrize("size", [0.0, 1e-3, 1.0, 1e3])
def test_the_loss_is_right_however_far_apart_the_classes_are(size):
    """P_e P_o - P_e N_o = -size: the loss is ln(1 + e^size), which is size where that is large."""
    events, objects = torch.eye(2).requires_grad_(), torch.tensor([[-size, 0.0], [0.0, 0.0]])
    choice = chosen(torch.tensor([[2.0, -1.0]]), k=1)
    e2o, _ = alignment(events, objects, choice, choice)
    e2o.backward()
    assert e2o.item() == pytest.approx(math.log1p(math.exp(size)) if size < 100 else size)
    assert torch.isfinite(events.grad).all()


@pytest.mark.parametrize("k", [0, 4, 30])
def test_a_k_that_the_classes_cannot_fill_is_refused(k):
    message = rf"k is {k}, but there are 7 objects: .* need 1 <= k <= 3"
    with pytest.raises(ValueError, match=message):
        check_k(k, {"objects": 7, "events": 12})


def test_half_of_the_classes_may_be_positives():
    check_k(3, {"events": 6, "objects": 7})
