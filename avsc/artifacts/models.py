"""data/models/<experiment>/: a trained system.

weights.safetensors   its parameters and buffers
config.json           how to build it: head, hparams, shapes, scenes, inputs, scope, standardise;
                      weights_sha256 of the other file, sha256 of all else in this one
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from avsc.artifacts import whole

DIGESTS = ("sha256", "weights_sha256")


def write(directory: Path, state: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Write a state dict and the config that rebuilds its module."""
    weights = save({k: v.detach().cpu().contiguous() for k, v in state.items()})
    said = {**config, "weights_sha256": hashlib.sha256(weights).hexdigest()}
    said["sha256"] = _digest(said)
    whole.write(directory / "weights.safetensors", weights)
    text = json.dumps(said, indent=1, sort_keys=True) + "\n"
    whole.write(directory / "config.json", text.encode())


def read(directory: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `write` wrote.

    Raises:
        FileNotFoundError: if the experiment is not trained.
        ValueError: if a file is damaged.
    """
    for name in ("config.json", "weights.safetensors"):
        if not (directory / name).is_file():
            raise FileNotFoundError(
                f"no {name} of a model in {directory}; run `dvc repro train@{directory.name}`"
            )
    config = _config(directory / "config.json")
    path = directory / "weights.safetensors"
    weights, said = path.read_bytes(), config["weights_sha256"]
    if (found := hashlib.sha256(weights).hexdigest()) != said:
        raise _damaged(path, f"its sha256 is {found}, its config.json says {said}")
    try:
        state = load(weights)
    except SafetensorError as error:
        raise _damaged(path, error) from error
    if bad := [k for k, v in state.items() if v.is_floating_point() and not v.isfinite().all()]:
        raise _damaged(path, f"{bad[0]} holds NaN or infinity")
    return state, {k: v for k, v in config.items() if k not in DIGESTS}


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    if not isinstance(config, dict) or not config.keys() >= set(DIGESTS):
        raise _damaged(path, f"it has not both of {', '.join(DIGESTS)}")
    if (found := _digest(config)) != config["sha256"]:
        raise _damaged(path, f"its content has sha256 {found}, it says {config['sha256']}")
    return config


def _digest(config: Mapping[str, Any]) -> str:
    content = {k: v for k, v in config.items() if k != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _damaged(path: Path, cause: object) -> ValueError:
    return ValueError(f"{path} is damaged ({cause}); delete it and run `dvc repro`")
