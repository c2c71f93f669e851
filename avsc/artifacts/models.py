"""data/models/<experiment>/: a trained system.

weights.safetensors   its parameters and buffers
config.json           how to build it: head, hparams, shapes, scenes, inputs, scope, standardise;
                      dropped, the modalities that rows lost in training;
                      weights_sha256 of the other file; a digest of its own: see sealed_json.py
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from avsc.artifacts import sealed_json, whole
from avsc.artifacts.damage import damaged, reading


def write(directory: Path, state: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Write a state dict and the config that rebuilds its module."""
    weights = save({k: v.detach().cpu().contiguous() for k, v in state.items()})
    whole.write(directory / "weights.safetensors", weights)
    digest = {"weights_sha256": hashlib.sha256(weights).hexdigest()}
    sealed_json.write(directory / "config.json", {**config, **digest})


def read(directory: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `write` wrote.

    Raises:
        FileNotFoundError: if the experiment is not trained.
        NotReadError: if the system cannot read a file.
        DamagedError: if a file is damaged, or the model is of another experiment.
    """
    for name in ("config.json", "weights.safetensors"):
        if not (directory / name).is_file():
            raise FileNotFoundError(
                f"no {name} of a model in {directory}; run `dvc repro train@{directory.name}`"
            )
    config = sealed_json.read(directory / "config.json")
    path, expected = directory / "weights.safetensors", config.pop("weights_sha256", None)
    with reading(path, SafetensorError):
        weights = path.read_bytes()
        if (found := hashlib.sha256(weights).hexdigest()) != expected:
            raise damaged(path, f"its sha256 is {found}, its config.json says {expected}")
        state = load(weights)
    if bad := [k for k, v in state.items() if v.is_floating_point() and not v.isfinite().all()]:
        raise damaged(path, f"{bad[0]} holds NaN or infinity")
    return state, config
