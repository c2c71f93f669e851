"""What profiles say of experiments and what is made of them, the code understands."""

import json
from functools import cache

import numpy as np
import pytest
import timm
import torch
from accelerate.state import AcceleratorState
from torch import nn
from transformers import ASTConfig, ClapAudioConfig

import avsc.encoders
import avsc.heads
from avsc.embedding import at_rate
from avsc.params.fields import Parser
from avsc.params.inputs import streams_of
from avsc.params.study import Study, cells
from avsc.training import loop, shared_loop
from avsc.training.end_to_end import EndToEnd, Rows
from avsc.training.folds import Fold
from avsc.training.system import System, predict
from avsc.training.tuning import Tuning
from bench.profile_cost import CONFIGS
from tests.profiles.trees import TREES, blocks, encoder_class, own_arguments

EVENTS, OBJECTS = (CONFIGS["ast"]["num_labels"],), (len(timm.data.ImageNetInfo().label_names()),)
NETWORKS = {"ast": ASTConfig, "clap": ClapAudioConfig}  # their defaults are the checkpoints'
SCENES = 10


def modality_of(profile, name):
    """Return what an entry of `embed` or `import_features` is of."""
    if block := TREES[profile]["import_features"].get(name):
        return block["modality"]
    return encoder_class(profile, name).modality


@cache
def row_shape(profile, name):
    """Return the shape of a row of an encoder, of a network as wide as its architecture says."""
    if imported := TREES[profile]["import_features"].get(name):
        return (96, 512) if imported["select"] == "sequence" else (512,)
    block = TREES[profile]["embed"][name]
    if block["encoder"] in NETWORKS:
        return (NETWORKS[block["encoder"]](**block.get("config", {})).hidden_size,)
    if block["encoder"] == "timm_image":
        with torch.device("meta"):  # nothing is drawn
            net = timm.create_model(block["name"], **block.get("model_kwargs", {}))
        return (net.head_hidden_size,)
    rate = at_rate(block, TREES[profile]["decode"]["sample_rate"])
    encoder = avsc.encoders.create(block["encoder"], **own_arguments(block) | rate)
    return encoder(np.zeros((1, 2, encoder.sample_rate), np.float32))["embedding"].shape[1:]


def inputs(profile, block):
    streams = streams_of(block["inputs"], TREES[profile])
    return {modality: entry for entry, modality in streams.items()}


def cells_of(profile, name):
    """Return the experiments of a study."""
    parser, tree = Parser(TREES[profile]), TREES[profile]
    study = parser.parse(Study, tree["study"][name], ("study", name))
    return cells(study, tree["train"][study.base]).values()


def built(profile, block):
    """Return the head of an experiment, as avsc/experiment.py builds it."""
    return avsc.heads.create(
        block["head"],
        dims=shapes_of(profile, block),
        num_classes=SCENES,
        **block.get("hparams", {}),
    )


def shapes_of(profile, block):
    shapes = {m: row_shape(profile, encoder) for m, encoder in inputs(profile, block).items()}
    if block["labels"] != "none":
        labels = {"audio": ("events", EVENTS), "video": ("objects", OBJECTS)}
        shapes |= dict(labels[m] for m in inputs(profile, block))
    return shapes


@cache
def stepped(head, shapes, hparams, options, views=()):
    """Train a head for one step on rows of the shapes; return its history and probabilities."""
    shapes = {m: tuple(shape) for m, shape in json.loads(shapes).items()}
    hparams = json.loads(hparams)
    hparams |= {"n_estimators": 2} if "n_estimators" in hparams else {}  # each takes a while
    targets = torch.arange(max(20, hparams.get("pca") or 0)) % SCENES
    x = {m: torch.rand(len(targets), *shape) for m, shape in shapes.items()}
    varied = {m: torch.stack([x[m], -x[m]], dim=1) for m in views}
    system = System(
        avsc.heads.create(head, dims=shapes, num_classes=SCENES, **hparams),
        {m: shape for m, shape in shapes.items() if m not in ("events", "objects")},
        standardise=True,
    )
    history = loop.fit(
        system,
        Fold(x, targets, varied),
        Fold(x, targets),
        num_classes=SCENES,
        seed=0,
        options=json.loads(options) | {"epochs": 1},
    )
    return history, predict(system, x)


def check_step(head, shapes, block):
    views = tuple(block.get("views", ()))
    parts = (shapes, block.get("hparams", {}), block.get("fit", {}))
    history, probs = stepped(head, *map(json.dumps, parts), views)
    assert np.isfinite([row["val_loss"] for row in history]).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1)


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "name"), blocks("train"))
def test_an_experiment_takes_a_step_on_rows_of_its_encoders_shapes(profile, name):
    block = TREES[profile]["train"][name]
    check_step(block["head"], shapes_of(profile, block), block)


@pytest.mark.parametrize(("profile", "name"), blocks("finetune"))
def test_tuning_takes_entries_of_embed_and_entries_of_embed_take_what_it_makes(profile, name):
    block, tree = TREES[profile]["finetune"][name], TREES[profile]
    options = Tuning(**block.get("fit", {}))
    networks = {m: block[m] for m in ("audio", "video") if block[m]["encoder"] != "none"}
    options.check(list(networks))
    for modality, network in networks.items():
        (own,) = (n for n, b in tree["embed"].items() if b == network)
        assert modality_of(profile, own) == modality
        tuned = network | {"weights": f"{name}_{modality}.safetensors"}
        assert tuned in tree["embed"].values()


class Stub(nn.Module):
    """What stands for an encoder: as wide as it, and quick."""

    def __init__(self, width):
        super().__init__()
        self.body = nn.Linear(3, width)

    def forward(self, x):
        return (self.body(x),)


@pytest.mark.parametrize(("profile", "name"), blocks("finetune"))
def test_tuning_takes_a_step_with_the_head_and_the_precision_of_its_block(profile, name):
    AcceleratorState._reset_state(reset_partial_state=True)  # of an earlier test
    block, tree = TREES[profile]["finetune"][name], TREES[profile]
    named = {
        m: next(n for n, b in tree["embed"].items() if b == block[m])
        for m in ("audio", "video")
        if block[m]["encoder"] != "none"
    }
    shapes = {m: row_shape(profile, entry) for m, entry in named.items()}
    if block["labels"] != "none":
        labels = {"audio": ("events", EVENTS), "video": ("objects", OBJECTS)}
        shapes |= dict(labels[m] for m in named)
    x, targets = torch.rand(20, 3), torch.arange(20) % SCENES
    labels = {k: torch.rand(20, *s) for k, s in shapes.items() if k not in named}
    rows = Rows(
        np.arange(20), targets, labels, lambda ids: (dict.fromkeys(named, x[i]) for i in ids)
    )
    head = avsc.heads.create(block["head"], dims=shapes, num_classes=SCENES, **block["hparams"])
    net = EndToEnd({m: Stub(*shapes[m]) for m in named}, head)
    o = Tuning(**block["fit"] | {"epochs": 1})
    here = shared_loop.accelerator(cpu=True, precision=o.precision)
    unlabelled = Rows(rows.clip, targets, {}, rows.read)
    _, history = shared_loop.fit(
        shared_loop.Run(here, net, o, 0, rows, unlabelled), saved=None, save=lambda *_: None
    )
    AcceleratorState._reset_state(reset_partial_state=True)
    assert [row["epoch"] for row in history] == [0]


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "name"), blocks("study"))
def test_the_cells_of_a_study_take_a_step_on_rows_of_their_encoders_shapes(profile, name):
    for cell in cells_of(profile, name):
        check_step(cell["head"], shapes_of(profile, cell), cell)


@pytest.mark.parametrize(("profile", "name"), blocks("ensemble"))
def test_an_ensemble_names_experiments_and_a_head_that_takes_their_probabilities(profile, name):
    block = TREES[profile]["ensemble"][name]
    members = [m for m in block["members"] if m != "none"]
    check_step(block["head"], dict.fromkeys(members, (SCENES,)), block)


@pytest.mark.parametrize(("profile", "name"), blocks("map"))
def test_a_map_names_an_experiment_its_inputs_and_what_its_head_has(profile, name):
    block = TREES[profile]["map"][name]
    shown = TREES[profile]["train"][block["experiment"]]
    method = {"embedding": "embedding", "classes": "class_weights"}[block["of"]]
    assert hasattr(built(profile, shown), method)
