"""What every file of avsc/heads/ must do; a new head is tested by being there."""

import inspect
import json
import pkgutil
from importlib import import_module

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import avsc.heads
from avsc.training import loop, system
from avsc.training.disturbances import without
from avsc.training.folds import Fold

HEADS = [m.name for m in pkgutil.iter_modules(avsc.heads.__path__) if not m.name.startswith("_")]
DIMS = {"audio": (5,), "video": (4,)}
MODALITIES = {"audio", "video"}
PSEUDO_LABELS = {"events", "objects"}  # known in training alone
CLASSES, ROWS = 3, 90
TARGETS = torch.arange(ROWS) % CLASSES
FIT = {"epochs": 15, "batch_size": 15, "lr": 0.01, "patience": 5}


def tiny(name):
    return getattr(import_module(f"avsc.heads.{name}"), "TINY", {})


def dims(name):
    return tiny(name).get("dims", DIMS)


def make(name, *, seed=0, shapes=None, **hparams):
    torch.manual_seed(seed)
    hparams = tiny(name).get("hparams", {}) | hparams
    return avsc.heads.create(name, dims=shapes or dims(name), num_classes=CLASSES, **hparams)


def toy(shapes, *, seed=1):
    """Return rows near a point of their scene, and pseudo-labels of which half are the scene's.

    Inputs that are no modality are members of an ensemble: their point is the scene itself.
    """
    x = {}
    for m, shape in shapes.items():
        of_this_input = torch.Generator().manual_seed(len(m))
        noise = torch.Generator().manual_seed(seed)
        points = torch.randn(CLASSES, *shape, generator=of_this_input)
        rows = (points if m in MODALITIES | PSEUDO_LABELS else torch.eye(CLASSES))[TARGETS]
        if m in PSEUDO_LABELS:
            x[m] = (rows > 0).float()
        else:
            x[m] = 2 * rows + 0.5 * torch.randn(ROWS, *shape, generator=noise)
    return x


def fit(head, shapes):
    """Fit the head on a toy task as the train stage would; return the system."""
    trained = system.System(head, shapes, standardise=False)
    folds = [Fold(toy(shapes, seed=seed), TARGETS) for seed in (1, 2)]
    loop.fit(trained, *folds, num_classes=CLASSES, seed=0, options=FIT)
    return trained.eval()


def inputs(name, *, seed=3):
    return {m: rows for m, rows in toy(dims(name), seed=seed).items() if m not in PSEUDO_LABELS}


@pytest.fixture(scope="module", params=HEADS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def head(name):
    """Return a fitted head: its batch statistics are no longer those it was born with."""
    return fit(make(name), dims(name)).head


def logits(head, x):
    with torch.inference_mode():
        return head(x).clone()


def test_logits_are_finite_floats_a_row_for_each_row_and_a_column_for_each_scene(head, name):
    found = logits(head, inputs(name))
    assert (found.shape, found.dtype) == ((ROWS, CLASSES), torch.float32)
    assert torch.isfinite(found).all()


def test_it_learns_scenes_that_are_apart(head, name):
    assert (logits(head, inputs(name)).argmax(1) == TARGETS).double().mean() > 0.9


def differ(one, two):
    """Return the names of parameters and buffers that are not the same to the bit."""
    one, two = one.state_dict(), two.state_dict()
    assert one.keys() == two.keys()
    return [key for key in one if not torch.equal(one[key], two[key])]


def test_the_same_seed_gives_the_same_head(name):
    assert differ(*(fit(make(name), dims(name)) for _ in range(2))) == []


def test_another_seed_gives_another_head(name):
    one, two = make(name, seed=0), make(name, seed=1)
    if hasattr(one, "solve"):
        pytest.skip("solved to its optimum, or no weights before")
    assert any(
        not torch.equal(p, q) for p, q in zip(one.parameters(), two.parameters(), strict=True)
    )


def test_the_order_of_the_modalities_does_not_matter(head, name):
    x = inputs(name)
    swapped = dict(reversed(x.items()))
    assert torch.equal(logits(head, swapped), logits(head, x))
    turned = dict(reversed(dims(name).items()))
    assert differ(fit(make(name, shapes=turned), turned).head, head) == []


def test_a_row_alone_scores_as_in_a_batch(head, name):
    x = inputs(name)
    alone = torch.cat([logits(head, {m: r[i : i + 1] for m, r in x.items()}) for i in range(9)])
    torch.testing.assert_close(alone, logits(head, x)[:9], rtol=1e-5, atol=1e-5)


def test_other_rows_change_nothing(head, name):
    x = inputs(name)
    others = {m: torch.cat([r[:1], 100 * r[1:].flip(0)]) for m, r in x.items()}
    assert torch.equal(logits(head, others)[0], logits(head, x)[0])


def test_a_gradient_reaches_every_parameter_in_one_of_the_phases(name):
    head, x = make(name), toy(dims(name))
    if hasattr(head, "solve"):
        pytest.skip("not fitted by gradient")
    reached = set()
    for forward, modules in phases(head):
        head.zero_grad()
        head.eval()
        for module in modules:
            module.train()
        if hasattr(head, "loss"):
            head.loss(x, TARGETS, nn.CrossEntropyLoss()).backward()
        else:
            nn.functional.cross_entropy(forward(x), TARGETS).backward()
        trained = {id(p) for module in modules for p in module.parameters()}
        reached |= {
            key
            for key, p in head.named_parameters()
            if id(p) in trained and p.grad is not None and p.grad.abs().sum() > 0
        }
    assert {key for key, _ in head.named_parameters()} - reached == set()


def phases(head):
    if not hasattr(head, "phases"):
        return [(head, [head])]
    return [(p.forward, p.modules) for p in head.phases()]


def test_what_was_saved_is_loaded_into_a_fresh_head(head, name, tmp_path):
    save_file(head.state_dict(), tmp_path / "head.safetensors")
    fresh = make(name, seed=1)
    fresh.load_state_dict(load_file(tmp_path / "head.safetensors"))
    assert torch.equal(logits(fresh.eval(), inputs(name)), logits(head, inputs(name)))


def test_an_argument_that_it_does_not_take_is_refused(name):
    with pytest.raises(TypeError, match="nonsense"):
        make(name, nonsense=1)


def test_batch_that_lacks_an_input_is_refused(head, name):
    x = inputs(name)
    for m in x:
        with pytest.raises(KeyError, match=m):
            head({k: rows for k, rows in x.items() if k != m})
    with pytest.raises(KeyError):
        head({})


def fused(name):
    """Return an untrained head that reads both modalities; skip where there is none."""
    if not dims(name).keys() >= MODALITIES:
        pytest.skip("reads members of an ensemble")
    return make(name)


def last_training_batch(trained, monkeypatch, x, **options):
    """Fit a system for an epoch on one batch; return that batch as it reached the head."""
    head, seen = trained.head, []
    entry = "loss" if hasattr(head, "loss") else "forward"
    original = getattr(head, entry)

    def recorded(batch, *rest):
        if torch.is_grad_enabled():
            seen.append(dict(batch))
        return original(batch, *rest)

    monkeypatch.setattr(head, entry, recorded)
    folds = [Fold(x, TARGETS), Fold(x, TARGETS)]
    one = {"epochs": 1, "batch_size": ROWS}
    loop.fit(trained, *folds, num_classes=CLASSES, seed=0, options=one | options)
    return seen[-1]


@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("modality", sorted(MODALITIES))
def test_missing_modality_gives_the_logits_of_rows_that_lost_it_in_training(
    name, modality, standardise, monkeypatch
):
    head = fused(name)
    if hasattr(head, "solve"):
        pytest.skip("not trained in steps")
    trained = system.System(head, dims(name), standardise=standardise)
    x, drop_audio = toy(dims(name)), float(modality == "audio")
    dropped = last_training_batch(
        trained, monkeypatch, x, modality_dropout=1.0, drop_audio=drop_audio
    )
    (other,) = MODALITIES - {modality}
    same = dropped[other].flatten(1)[:, None] == trained.prepare(x)[other].flatten(1)
    assert (same.all(2).sum(1) == 1).all()
    order = same.all(2).int().argmax(1)  # of the rows in training
    test = {m: x[m][order] for m in sorted(MODALITIES)}
    expected = logits(trained.eval().head, dropped)
    assert not torch.equal(logits(trained, test), expected)
    for given in (test, dict(reversed(test.items())), {other: test[other]}):
        assert torch.equal(logits(trained, without(modality, given, trained)), expected)


@pytest.mark.parametrize("modality", sorted(MODALITIES))
def test_missing_modality_gives_finite_logits_by_the_other_alone(name, modality):
    head = fused(name)
    trained = fit(head, dims(name))
    x = inputs(name)
    other = x | {modality: -100 * x[modality]}
    found, expected = (logits(trained, without(modality, r, trained)) for r in (other, x))
    assert torch.isfinite(found).all()
    assert torch.equal(found, expected)


@pytest.mark.parametrize("modality", sorted(MODALITIES))
def test_of_one_modality_it_is_a_baseline_or_says_what_it_needs(name, modality):
    if not dims(name).keys() >= MODALITIES:
        pytest.skip("reads members of an ensemble")
    shapes = {m: s for m, s in dims(name).items() if m == modality or m not in MODALITIES}
    try:
        head = make(name, shapes=shapes)
    except ValueError as refusal:
        message = str(refusal)
    else:
        found, message = logits(fit(head, shapes).head, {modality: inputs(name)[modality]}), ""
        assert (found.argmax(1) == TARGETS).double().mean() > 0.9
    assert not message or "audio and video" in message or "frame" in message


@pytest.mark.parametrize("method", ["branch_embeddings", "branch_logits"])
def test_what_a_branch_says_depends_on_its_modality_alone(head, name, method):
    if not hasattr(head, method):
        pytest.skip("has no such branches")
    x = inputs(name)
    with torch.inference_mode():
        said = getattr(head, method)(x)
        assert set(said) == MODALITIES
        for m in said:
            other = {k: r if k == m else r.flip(0) for k, r in x.items()}
            assert len(said[m]) == ROWS
            assert torch.equal(getattr(head, method)(other)[m], said[m])


def test_branches_share_no_parameter_and_feed_what_the_branch_says(name):
    head, x = make(name).eval(), inputs(name)
    if not hasattr(head, "branches"):
        pytest.skip("has no branches")
    parameters = {m: set(module.parameters()) for m, module in head.branches().items()}
    assert set(parameters) == MODALITIES
    assert parameters["audio"].isdisjoint(parameters["video"])
    for m, said in head.branch_embeddings(x).items():
        head.zero_grad()
        said.square().sum().backward()
        reached = {p for p in head.parameters() if p.grad is not None}
        assert reached <= parameters[m]


def test_a_head_documents_its_arguments(name):
    head = import_module(f"avsc.heads.{name}").Head
    documented = inspect.getdoc(head)
    own = [p for p in inspect.signature(head).parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert [p.name for p in own if f"    {p.name}: " not in documented] == []


def test_its_defaults_are_plain_values_that_a_key_of_a_study_can_hold(name):
    own = inspect.signature(import_module(f"avsc.heads.{name}").Head).parameters.values()
    defaults = avsc.heads.defaults(name)
    assert json.dumps(defaults)
    assert set(defaults) == {p.name for p in own if p.kind is p.KEYWORD_ONLY}


@pytest.mark.parametrize("name", avsc.heads.names())
def test_head_can_be_built_without_memory(name):
    with torch.device("meta"):
        assert all(value.is_meta for value in make(name).state_dict().values())
