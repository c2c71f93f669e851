"""What profiles say of data and encoders, the code understands."""

import inspect
import shutil
from pathlib import Path

import numpy as np
import pytest
import timm
import yaml
from dvc.repo import Repo

import avsc.encoders
import avsc.heads
from avsc import importing
from avsc.datasets import tau
from avsc.embedding import HOW, at_rate
from avsc.media.disturbances import effects
from avsc.precision import How
from tests.pipeline.project import ROOT, fresh
from tests.profiles.trees import PROFILES, TREES, blocks, encoder_class, own_arguments


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
def test_encoders_of_sound_follow_the_rate_at_which_it_is_decoded(profile, name):
    rate = TREES[profile]["decode"]["sample_rate"]
    hears = encoder_class(profile, name).modality == "audio"
    found = at_rate(TREES[profile]["embed"][name], rate)
    assert found == ({"sample_rate": rate} if hears else {})


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


@pytest.mark.parametrize(("profile", "name"), blocks("embed"))
def test_an_encoder_takes_the_arguments_of_its_views(profile, name):
    if views := TREES[profile]["embed"][name].get("views"):
        inspect.signature(encoder_class(profile, name).views).bind(None, None, **views)


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
def test_a_profile_is_a_folder_to_copy_and_gives_a_stage_for_each_of_its_blocks(profile, tmp_path):
    project = fresh(tmp_path / "project")
    for file in PROFILES[profile].glob("*.yaml"):
        shutil.copy(file, project.root)
    stages = {s.name: s for s in Repo(str(project.root)).index.stages}
    expected = set()
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items():
        section = stage.get("foreach", "").strip("${}")
        expected |= {f"{name}@{key}" for key in TREES[profile][section]} if section else {name}
    assert {"index", "decode", "embed@ast", "train@early", "score@early"} <= expected
    assert stages.keys() == expected
