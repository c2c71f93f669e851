"""The profiles of params/, and what their blocks name."""

from importlib import import_module

import pytest
import yaml

from avsc.embedding import APART
from tests.pipeline.project import ROOT

PROFILES = {p.stem: p for p in sorted((ROOT / "params").glob("*.yaml"))}
TREES = {name: yaml.safe_load(path.read_text()) for name, path in PROFILES.items()}


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
