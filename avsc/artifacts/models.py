"""data/models/<experiment>/: a trained system.

weights.safetensors   its parameters and buffers
config.json           how to build it: head, hparams, shapes, scenes, inputs, scope, standardise
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor


def write(directory: Path, state: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Write a state dict and the config that rebuilds its module."""
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.detach().cpu().contiguous() for k, v in state.items()}
    save_file(tensors, directory / "weights.safetensors")
    (directory / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def read(directory: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `write` wrote.

    Raises:
        FileNotFoundError: if the experiment is not trained.
        ValueError: if a file is damaged.
    """
    if not (directory / "config.json").is_file():
        raise FileNotFoundError(f"no model in {directory}; run `dvc repro train@{directory.name}`")
    try:
        config = json.loads((directory / "config.json").read_text())
        return load_file(directory / "weights.safetensors"), config
    except (json.JSONDecodeError, SafetensorError) as error:
        raise ValueError(
            f"{directory} is damaged ({error}); delete it and run `dvc repro`"
        ) from error
