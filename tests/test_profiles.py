"""Every profile of params/ says nothing that the code would not understand."""

import inspect
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import yaml
from dvc.repo import Repo

import avsc.encoders
import avsc.heads
from avsc.datasets import tau
from avsc.training.options import Options
from avsc.training.strategies import schedules
from tests.pipeline.project import ROOT, fresh

PROFILES = {p.stem: p for p in sorted((ROOT / "params").glob("*.yaml"))}
TREES = {name: yaml.safe_load(path.read_text()) for name, path in PROFILES.items()}
EVENTS, OBJECTS = (11,), (13,)
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
    rest = {k: v for k, v in block.items() if k not in ("encoder", "weights", "sha256")}
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


@pytest.mark.parametrize(("profile", "name"), blocks("embed"))
def test_weights_are_none_hub_weights_that_exist_or_what_pretrain_makes(profile, name):
    block = TREES[profile]["embed"][name]
    takes_weights = "weights" in inspect.signature(encoder_class(profile, name)).parameters
    assert (block["weights"] == "none") != takes_weights
    if block["weights"] == "pretrained" and block["encoder"] == "timm_image":
        assert block["name"] in timm.list_pretrained()  # with its tag: an untagged name may move
    if block["weights"].endswith(".safetensors"):
        assert block["weights"].removesuffix(".safetensors") in TREES[profile]["pretrain"]


def test_pictures_are_kept_as_large_as_the_encoders_look_at_them():
    for tree in TREES.values():
        sides = [block["input_size"] for block in tree["embed"].values() if "input_size" in block]
        assert max(sides) <= tree["decode"]["short_side_px"]


def row_shape(profile, name):
    """Return the shape of a row of an encoder: its own, or that of a vector if it has weights."""
    block = TREES[profile]["embed"][name]
    if block["weights"] != "none":
        return (17,)
    encoder = avsc.encoders.create(block["encoder"], **own_arguments(block))
    return encoder(np.zeros((1, 2, 16000), np.float32))["embedding"].shape[1:]


@pytest.mark.parametrize(("profile", "name"), blocks("train"))
def test_an_experiment_names_encoders_of_its_modalities(profile, name):
    block = TREES[profile]["train"][name]
    inputs = {m: block[m] for m in ("audio", "video") if block[m] != "none"}
    assert inputs
    for modality, encoder in inputs.items():
        assert encoder in TREES[profile]["embed"]
        assert encoder_class(profile, encoder).modality == modality
    assert block["labels"] in ("none", "pseudo_labels.parquet")


@pytest.mark.parametrize(("profile", "name"), blocks("train"))
def test_a_head_takes_the_arguments_and_the_inputs_of_its_experiment(profile, name):
    block = TREES[profile]["train"][name]
    dims = {m: row_shape(profile, block[m]) for m in ("audio", "video") if block[m] != "none"}
    if block["labels"] != "none":
        dims |= {"events": EVENTS, "objects": OBJECTS}
    hparams = block.get("hparams", {})
    head = avsc.heads.create(block["head"], dims=dims, num_classes=SCENES, **hparams)
    Options(**block.get("fit", {})).check(head)


@pytest.mark.parametrize(("profile", "name"), blocks("train"))
def test_an_optimizer_and_a_schedule_take_the_options_of_an_experiment(profile, name):
    options = Options(**TREES[profile]["train"][name].get("fit", {}))
    optimizer = options.optimise([torch.nn.Parameter(torch.zeros(1))])
    schedules.create(optimizer=optimizer, **options.schedule)


@pytest.mark.parametrize(("profile", "name"), blocks("ensemble"))
def test_an_ensemble_names_experiments_and_a_head(profile, name):
    block = TREES[profile]["ensemble"][name]
    assert set(block["members"]) <= {*TREES[profile]["train"], "none"}
    assert (ROOT / f"avsc/heads/{block['head']}.py").is_file()


@pytest.mark.parametrize("profile", PROFILES)
def test_the_taggers_of_pseudo_labels_are_encoders_with_classes(profile):
    p = TREES[profile]["pseudo_label"]
    for kind, modality in {"events": "audio", "objects": "video"}.items():
        encoder = encoder_class(profile, p[kind]["tagger"])
        assert encoder.modality == modality
        assert "classes" in inspect.signature(encoder).parameters


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
    assert {"index", "decode", "embed@logmel", "train@early", "score@early"} <= expected
    assert stages.keys() == expected
