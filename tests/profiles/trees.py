"""The profiles of params/, and what their blocks name."""

from importlib import import_module

import pytest

from avsc.embedding import APART
from avsc.params import reading
from tests.pipeline.project import ROOT

PROFILES = {p.parent.name: p.parent for p in sorted((ROOT / "params").glob("*/params.yaml"))}
TREES = {name: reading.open_in(path).tree for name, path in PROFILES.items()}


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
