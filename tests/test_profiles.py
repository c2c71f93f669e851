"""Every profile of params/ says nothing that the code would not understand."""

import inspect
import json
import shutil
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import yaml
from accelerate.state import AcceleratorState
from dvc.repo import Repo
from torch import nn
from transformers import ASTConfig, ClapAudioConfig

import avsc.encoders
import avsc.heads
from avsc import importing, studies
from avsc.datasets import tau
from avsc.embedding import APART, HOW
from avsc.media.disturbances import effects
from avsc.precision import How
from avsc.training import loop, shared_loop
from avsc.training.end_to_end import EndToEnd, Rows
from avsc.training.folds import Fold
from avsc.training.system import System, predict
from avsc.training.tuning import Tuning
from bench.profile_cost import CONFIGS
from tests.pipeline.project import ROOT, fresh

PROFILES = {p.stem: p for p in sorted((ROOT / "params").glob("*.yaml"))}
TREES = {name: yaml.safe_load(path.read_text()) for name, path in PROFILES.items()}
EVENTS, OBJECTS = (CONFIGS["ast"]["num_labels"],), (len(timm.data.ImageNetInfo().label_names()),)
NETWORKS = {"ast": ASTConfig, "clap": ClapAudioConfig}  # their defaults are the checkpoints'
SCENES = 10


def blocks(section):
    """Return (profile, name) of every block of a section."""
    return [
        pytest.param(profile, name, id=f"{profile}-{name}")
        for profile, tree in TREES.items()
        for name in tree[section]
    ]


def encoder_class(profile, name):
    return import_module(f"avsc.encoders.{TREES[profile]['embed'][name]['encoder']}").Encoder


def own_arguments(block):
    """Return what the encoder itself is called with, as stages/embed.py does."""
    rest = {k: v for k, v in block.items() if k not in ("encoder", "weights", "sha256", *APART)}
    return rest if block["weights"] == "none" else rest | {"weights": block["weights"]}


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_decodes_with_the_same_keys(profile):
    assert TREES[profile]["decode"].keys() == TREES["demo"]["decode"].keys()


@pytest.mark.parametrize("profile", PROFILES)
def test_the_index_takes_what_the_profile_says(profile):
    p = dict(TREES[profile]["index"])
    root, watch = Path(p.pop("root")), Path(p.pop("watch"))
    assert watch == root or root in watch.parents
    inspect.signature(tau.index).bind(root, seed=TREES[profile]["seed"], **p)


@pytest.mark.parametrize(("profile", "name"), blocks("embed"))
def test_an_encoder_takes_the_arguments_of_its_block(profile, name):
    block = TREES[profile]["embed"][name]
    assert block["encoder"] in avsc.encoders.names()
    inspect.signature(encoder_class(profile, name)).bind(**own_arguments(block))
    How(**{k: block[k] for k in HOW if k in block})


@pytest.mark.parametrize(("profile", "name"), blocks("embed"))
def test_weights_are_none_hub_weights_that_exist_or_what_a_stage_makes(profile, name):
    block = TREES[profile]["embed"][name]
    takes_weights = "weights" in inspect.signature(encoder_class(profile, name)).parameters
    assert (block["weights"] == "none") != takes_weights
    if block["weights"] == "pretrained" and block["encoder"] == "timm_image":
        assert block["name"] in timm.list_pretrained()  # with its tag: an untagged name may move
    if block["weights"].endswith(".safetensors"):
        made = set(TREES[profile]["pretrain"])
        made |= {f"{n}_{m}" for n in TREES[profile]["finetune"] for m in ("audio", "video")}
        assert block["weights"].removesuffix(".safetensors") in made


def test_pictures_are_kept_as_large_as_the_encoders_look_at_them():
    for tree in TREES.values():
        sides = [block["input_size"] for block in tree["embed"].values() if "input_size" in block]
        assert max(sides) <= tree["decode"]["short_side_px"]


@pytest.mark.parametrize(("profile", "name"), blocks("embed"))
def test_encoders_of_sound_are_told_the_rate_at_which_it_is_decoded(profile, name):
    takes, block = (
        inspect.signature(encoder_class(profile, name)).parameters,
        TREES[profile]["embed"][name],
    )
    if encoder_class(profile, name).modality == "audio":
        rate = block.get("sample_rate", takes["sample_rate"].default)
        assert rate == TREES[profile]["decode"]["sample_rate"]


def timm_classes(block):
    """Return how many classes a network of timm with pretrained weights tells apart."""
    own = timm.get_pretrained_cfg(block["name"]).num_classes
    return block.get("model_kwargs", {}).get("num_classes", own)


@pytest.mark.parametrize(("profile", "name"), blocks("embed"))
def test_a_picture_tower_tells_classes_that_have_names_or_none(profile, name):
    block = TREES[profile]["embed"][name]
    if block["encoder"] == "timm_image" and block["weights"] == "pretrained":
        assert timm_classes(block) in (0, 1000)  # ImageNet's


@pytest.mark.parametrize(("profile", "name"), blocks("import_features"))
def test_features_are_imported_as_their_block_says_and_called_as_no_encoder(profile, name):
    block = TREES[profile]["import_features"][name]
    assert name not in TREES[profile]["embed"]
    importing.imported(**block | {"files": []}, clips=[], varied=[], seconds=10)
    assert block["files"]


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
    encoder = avsc.encoders.create(block["encoder"], **own_arguments(block))
    return encoder(np.zeros((1, 2, encoder.sample_rate), np.float32))["embedding"].shape[1:]


def inputs(block):
    return {m: block[m] for m in ("audio", "video") if block[m] != "none"}


def built(profile, block):
    """Return the head of an experiment, as avsc/experiment.py builds it."""
    return avsc.heads.create(
        block["head"],
        dims=shapes_of(profile, block),
        num_classes=SCENES,
        **block.get("hparams", {}),
    )


def shapes_of(profile, block):
    shapes = {m: row_shape(profile, encoder) for m, encoder in inputs(block).items()}
    if block["labels"] != "none":
        labels = {"audio": ("events", EVENTS), "video": ("objects", OBJECTS)}
        shapes |= dict(labels[m] for m in inputs(block))
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


def check_inputs(profile, block):
    embed = TREES[profile]["embed"] | TREES[profile]["import_features"]
    assert inputs(block)
    for modality, encoder in inputs(block).items():
        assert encoder in embed
        assert modality_of(profile, encoder) == modality
    for modality in block.get("views", ()):
        assert "views" in embed[inputs(block)[modality]]
    assert block["labels"] in ("none", "pseudo_labels.parquet")


@pytest.mark.parametrize(("profile", "name"), blocks("train"))
def test_an_experiment_names_encoders_of_its_modalities(profile, name):
    check_inputs(profile, TREES[profile]["train"][name])


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
    shapes = shapes_of(profile, {"audio": "none", "video": "none", **block, **named})
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


@pytest.mark.parametrize(("profile", "name"), blocks("embed"))
def test_an_encoder_takes_the_arguments_of_its_views(profile, name):
    if views := TREES[profile]["embed"][name].get("views"):
        inspect.signature(encoder_class(profile, name).views).bind(None, None, **views)


@pytest.mark.parametrize(("profile", "name"), blocks("study"))
def test_the_cells_of_a_study_are_experiments(profile, name):
    cells = studies.cells(TREES[profile]["study"][name])
    assert cells
    for cell in cells.values():
        check_inputs(profile, cell)


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "name"), blocks("study"))
def test_the_cells_of_a_study_take_a_step_on_rows_of_their_encoders_shapes(profile, name):
    for cell in studies.cells(TREES[profile]["study"][name]).values():
        check_step(cell["head"], shapes_of(profile, cell), cell)


@pytest.mark.parametrize(("profile", "name"), blocks("study"))
def test_a_study_depends_on_exactly_what_its_cells_read(profile, name):
    study = TREES[profile]["study"][name]
    cells = studies.cells(study).values()
    read = {encoder for cell in cells for encoder in inputs(cell).values()}
    listed = [encoder for encoder in study["encoders"] if encoder != "none"]
    assert sorted(listed) == sorted(read)
    assert len(study["encoders"]) == 4
    assert {cell["labels"] for cell in cells} <= {study["base"]["labels"], "none"}


@pytest.mark.parametrize(("profile", "name"), blocks("study"))
def test_a_study_trains_different_cells_with_different_seeds(profile, name):
    study = TREES[profile]["study"][name]
    cells = [json.dumps(cell, sort_keys=True) for cell in studies.cells(study).values()]
    assert len(set(cells)) == len(cells)
    assert len(set(study["seeds"])) == len(study["seeds"]) >= 1


@pytest.mark.parametrize(("profile", "name"), blocks("study"))
def test_published_numbers_say_by_which_protocol(profile, name):
    for row in TREES[profile]["study"][name].get("rows", {}).values():
        if published := row.get("published"):
            assert published.keys() <= {"protocol", "log_loss", "accuracy"}
            assert published["protocol"] in ("segment", "clip", "clip micro")


@pytest.mark.parametrize(("profile", "name"), blocks("ensemble"))
def test_an_ensemble_names_experiments_and_a_head_that_takes_their_probabilities(profile, name):
    block = TREES[profile]["ensemble"][name]
    members = [m for m in block["members"] if m != "none"]
    assert len(block["members"]) == 6
    assert len(set(members)) == len(members) >= 2
    assert set(members) <= TREES[profile]["train"].keys()
    check_step(block["head"], dict.fromkeys(members, (SCENES,)), block)


SIDES = {"compare": {"one", "other"}, "fusion": {"fused", "audio", "video"}}


@pytest.mark.parametrize("section", SIDES)
@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_compared_are_different_systems_that_predict(profile, section):
    tree = TREES[profile]
    for block in tree[section].values():
        assert block.keys() == SIDES[section]
        assert len(set(block.values())) == len(block)
        assert set(block.values()) <= tree["train"].keys() | tree["ensemble"].keys()


@pytest.mark.parametrize(("profile", "name"), blocks("fusion"))
def test_a_fused_system_is_set_against_systems_of_one_modality_each(profile, name):
    block = TREES[profile]["fusion"][name]
    for modality in ("audio", "video"):
        assert inputs(TREES[profile]["train"][block[modality]]).keys() == {modality}
    if fused := TREES[profile]["train"].get(block["fused"]):
        assert inputs(fused).keys() == {"audio", "video"}


@pytest.mark.parametrize(("profile", "name"), blocks("disturb"))
def test_an_encoder_is_disturbed_as_embed_has_it_by_what_its_modality_can_suffer(profile, name):
    block = dict(TREES[profile]["disturb"][name])
    shown = TREES[profile]["embed"][name]
    assert {k: block.pop(k) for k in ("encoder", "weights")} == {
        k: shown[k] for k in ("encoder", "weights")
    }
    modality, seed = encoder_class(profile, name).modality, block.pop("seed", 0)
    clip = {"audio": np.ones((1, 2, 64), np.float32), "video": np.ones((1, 1, 4, 4, 3), np.uint8)}
    for effect in effects(block, modality=modality, seed=seed):
        assert effect(clip[modality]).shape == clip[modality].shape


@pytest.mark.parametrize(("profile", "name"), blocks("robustness"))
def test_a_sheet_is_of_an_experiment_its_inputs_and_what_can_be_missed_or_shifted(profile, name):
    block, tree = TREES[profile]["robustness"][name], TREES[profile]
    assert block.keys() == {"audio", "video", "missing", "shift_s"}
    assert inputs(block) == inputs(tree["train"][name])
    assert set(inputs(block).values()) <= tree["disturb"].keys()
    assert set(block["missing"]) <= inputs(block).keys()
    assert len(inputs(block)) == 2 or not (block["missing"] or block["shift_s"])
    assert all(0 < abs(k) < tree["decode"]["seconds"] for k in block["shift_s"])


@pytest.mark.parametrize(("profile", "name"), blocks("map"))
def test_a_map_names_an_experiment_its_inputs_and_what_its_head_has(profile, name):
    block = TREES[profile]["map"][name]
    shown = TREES[profile]["train"][block["experiment"]]
    for key in ("audio", "video", "labels"):
        assert block[key] == shown[key]
    method = {"embedding": "embedding", "classes": "class_weights"}[block["of"]]
    assert hasattr(built(profile, shown), method)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_taggers_of_pseudo_labels_are_encoders_with_classes(profile):
    p = TREES[profile]["pseudo_label"]
    for kind, modality in {"events": "audio", "objects": "video"}.items():
        encoder = encoder_class(profile, p[kind]["tagger"])
        assert encoder.modality == modality
        assert "classes" in inspect.signature(encoder).parameters
        block = TREES[profile]["embed"][p[kind]["tagger"]]
        if block["encoder"] == "timm_image" and block["weights"] == "pretrained":
            assert timm_classes(block) > 0


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_is_one_file_to_copy_and_gives_a_stage_for_each_of_its_blocks(profile, tmp_path):
    project = fresh(tmp_path / "project")
    shutil.copy(PROFILES[profile], project.root / "params.yaml")
    stages = {s.name: s for s in Repo(str(project.root)).index.stages}
    expected = set()
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items():
        section = stage.get("foreach", "").strip("${}")
        expected |= {f"{name}@{key}" for key in TREES[profile][section]} if section else {name}
    assert {"index", "decode", "embed@ast", "train@early", "score@early"} <= expected
    assert stages.keys() == expected
