import math

import pytest
import torch
from torch import nn

import avsc.heads
from avsc.heads.ceoa_sf import TINY

HOU = {"audio": (768,), "video": (1024,), "events": (527,), "objects": (1000,)}
AUDIO = {"audio": (5,), "events": (6,)}
VIDEO = {"video": (4,), "objects": (7,)}
ONE_MODALITY = {"ceoa": None, "sf": False, "width": 8}


def make(shapes=TINY["dims"], *, num_classes=3, **hparams):
    torch.manual_seed(0)
    hparams = TINY["hparams"] | hparams
    return avsc.heads.create("ceoa_sf", dims=shapes, num_classes=num_classes, **hparams)


def batch(shapes=TINY["dims"], *, rows=4, seed=1):
    draw = torch.Generator().manual_seed(seed)
    x = {m: torch.randn(rows, *shape, generator=draw) for m, shape in shapes.items()}
    return {m: (r > 0).float() if m in ("events", "objects") else r for m, r in x.items()}


TARGETS = torch.tensor([0, 2, 1, 0])


def loss(head, x=None):
    return head.loss(x or batch(), TARGETS, nn.CrossEntropyLoss())


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_it_has_the_layers_of_the_paper():
    head = make(HOU, num_classes=10, k=15, width=1024, heads=8, head_dim=64)
    shapes = {name: tuple(p.shape) for name, p in head.named_parameters() if p.ndim == 2}
    assert shapes["branch.audio.embed.weight"] == (1024, 768)
    assert shapes["branch.audio.classify.weight"] == (527, 1024)
    assert shapes["branch.video.embed.weight"] == (1024, 1024)
    assert shapes["branch.video.classify.weight"] == (1000, 1024)
    assert shapes["fuse.weight"] == (10, 1527)
    assert count(head.branch["audio"]) == 768 * 1024 + 1024 + 1024 * 527 + 527 == 1_327_631
    assert count(head.branch["video"]) == 1024 * 1024 + 1024 + 1024 * 1000 + 1000 == 2_074_600
    assert count(head.attend) == 2 * (6 * 512 + 1) == 6146
    assert count(head) == 1_327_631 + 2_074_600 + 6146 + 1527 * 10 + 10 == 3_423_657


def test_the_whole_is_the_paper_step_by_step():
    """Every layer again, with ordinary attention over one pair of probabilities at a time."""
    head, x = make(), batch()

    def affine(layer, vector):
        return [
            sum(w * v for w, v in zip(row, vector, strict=True)) + b
            for row, b in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
        ]

    def tag(branch, vector):
        return affine(branch.classify, [max(0.0, h) for h in affine(branch.embed, vector)])

    def attend(attention, queries, keys):
        sigmoid = [[1 / (1 + math.exp(-v)) for v in logits] for logits in (queries, keys)]
        return attention.ordinary(*(torch.tensor([p]) for p in sigmoid))[0].tolist()

    for row, logits in enumerate(head(x).tolist()):
        e = tag(head.branch["audio"], x["audio"][row].tolist())
        o = tag(head.branch["video"], x["video"][row].tolist())
        events = [a + b for a, b in zip(e, attend(head.attend["audio"], e, o), strict=True)]
        objects = [a + b for a, b in zip(o, attend(head.attend["video"], o, e), strict=True)]
        assert affine(head.fuse, events + objects) == pytest.approx(logits, abs=1e-5)


def test_without_fusion_the_class_scores_go_to_the_last_layer():
    head, x = make(sf=False), batch()
    tags = [head.branch[m](x[m]) for m in ("audio", "video")]
    torch.testing.assert_close(head(x), head.fuse(torch.cat(tags, dim=1)))
    assert not hasattr(head, "attend")


def test_a_hidden_fusion_layer_is_an_option():
    head = make(fusion_width=9)
    assert [tuple(p.shape) for p in head.fuse.parameters()] == [(9, 13), (9,), (3, 9), (3,)]
    assert head(batch()).shape == (4, 3)


def test_a_prediction_needs_no_pseudo_labels():
    head, x = make(), batch()
    without = {m: x[m] for m in ("audio", "video")}
    assert torch.equal(head(without), head(x))


def cross_entropy_by_hand(logits, labels):
    total = 0.0
    for row, truth in zip(logits.tolist(), labels.tolist(), strict=True):
        for z, y in zip(row, truth, strict=True):
            p = 1 / (1 + math.exp(-z))
            total -= math.log(p if y else 1 - p)
    return total / logits.numel()


@pytest.mark.parametrize(("position", "labels"), [(0, "events"), (1, "objects")])
def test_taggers_learn_the_pseudo_labels_by_binary_cross_entropy(position, labels):
    weights = [0.0] * 5
    weights[position] = 1.0
    head, x = make(loss_weights=weights), batch()
    modality = {"events": "audio", "objects": "video"}[labels]
    expected = cross_entropy_by_hand(head.branch[modality](x[modality]), x[labels])
    assert loss(head).item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_the_weighted_sum_of_the_five():
    each = [loss(make(loss_weights=[float(i == j) for j in range(5)])).item() for i in range(5)]
    weights = [0.25, 0.5, 0.125, 2.0, 1.0]
    expected = sum(w * part for w, part in zip(weights, each, strict=True))
    assert loss(make(loss_weights=weights)).item() == pytest.approx(expected, rel=1e-5)
    assert loss(make()).item() == pytest.approx(sum(each), rel=1e-5)
    assert min(each) > 0


def test_the_scene_loss_is_the_criterion_on_the_logits():
    head, x = make(loss_weights=[0, 0, 0, 0, 1]), batch()
    expected = nn.functional.cross_entropy(head(x), TARGETS, label_smoothing=0.1)
    found = head.loss(x, TARGETS, nn.CrossEntropyLoss(label_smoothing=0.1))
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("ceoa", ["lkm", "rkm"])
def test_alignment_moves_the_two_classifier_matrices_only(ceoa):
    head = make(ceoa=ceoa, loss_weights=[0, 0, 1, 1, 0])
    loss(head).backward()
    moved = {n for n, p in head.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == {"branch.audio.classify.weight", "branch.video.classify.weight"}


def test_without_alignment_its_weights_do_not_count():
    free = [1, 1, 100, 100, 1]
    assert loss(make(ceoa=None, loss_weights=free)) == loss(make(ceoa=None))
    assert loss(make()) > loss(make(ceoa=None))


def test_random_negatives_follow_the_seed():
    head, drawn = make(ceoa="rkm"), []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        drawn.append(loss(head).item())
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("shapes", [AUDIO, VIDEO])
def test_one_modality_alone_is_a_tagger_whose_scores_tell_the_scene(shapes):
    head, x = make(shapes, **ONE_MODALITY), batch(shapes)
    (modality, labels) = shapes
    tags = head.branch[modality](x[modality])
    torch.testing.assert_close(head(x), head.fuse(tags))
    scene = nn.functional.cross_entropy(head(x), TARGETS).item()
    expected = cross_entropy_by_hand(tags, x[labels]) + scene
    assert loss(head, x).item() == pytest.approx(expected, rel=1e-5)


def test_pseudo_labels_of_an_absent_modality_are_ignored():
    head = make(AUDIO | {"objects": (7,)}, **ONE_MODALITY)
    assert head.fuse.in_features == 6


def test_branch_embeddings_are_what_the_taggers_read():
    head, x = make(), batch()
    for m, hidden in head.branch_embeddings(x).items():
        torch.testing.assert_close(head.branch[m].classify(hidden), head.branch[m](x[m]))
        assert hidden.min() == 0


@pytest.mark.parametrize("k", [0, 4])
def test_a_k_that_the_classes_cannot_fill_is_refused_before_training(k):
    with pytest.raises(ValueError, match=f"k is {k}, but there are 6 events"):
        make(k=k)


def test_k_does_not_matter_without_alignment():
    assert make(k=1000, ceoa=None)(batch()).shape == (4, 3)


def test_an_unknown_kind_of_negatives_is_refused():
    with pytest.raises(ValueError, match=r"ceoa is 'none', expected one of lkm, rkm, null"):
        make(ceoa="none")


@pytest.mark.parametrize("asked", [{"sf": True}, {"ceoa": "lkm"}])
def test_one_modality_cannot_be_joined_with_the_other(asked):
    with pytest.raises(ValueError, match="join audio and video, found audio only; set ceoa: null"):
        make(AUDIO, **(ONE_MODALITY | asked))


def test_a_wrong_number_of_loss_weights_is_refused():
    with pytest.raises(ValueError, match="has 3 numbers, expected 5: l_e, l_o, l_e2o, l_o2e, l_s"):
        make(loss_weights=[1, 1, 1])


def test_missing_pseudo_labels_are_named():
    with pytest.raises(ValueError, match=r"but not \['events'\]: this head trains on pseudo-label"):
        make({"audio": (5,), **VIDEO})


def test_dims_without_a_modality_are_refused():
    with pytest.raises(ValueError, match="dims has neither audio nor video"):
        make({"events": (6,)}, **ONE_MODALITY)
