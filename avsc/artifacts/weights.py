"""data/weights/<name>: the parameters of an encoder, safetensors or a torch state dict.

A safetensors file may name the classes of a tagger in its metadata: classes = JSON list.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


def write(path: Path, state: Mapping[str, Tensor], *, classes: Sequence[str]) -> None:
    """Write a state dict and the names of its classes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.detach().cpu().contiguous() for k, v in state.items()}
    save_file(tensors, path, metadata={"classes": json.dumps(list(classes))})


def digest(path: Path) -> str:
    """Return the sha256 of a file.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    _check(path)
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def read(path: Path, *, sha256: str | None = None) -> tuple[dict[str, Tensor], list[str] | None]:
    """Return the state dict, and the names of its classes where the file has them.

    Args:
        path: safetensors, or what `torch.save` wrote of a state dict (`state_dict` and `model`
            wrappers are opened); nothing else can be unpickled.
        sha256: what the file must hash to.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the digest differs or the file holds something else.
    """
    _check(path)
    if sha256 and (found := digest(path)) != sha256:
        raise ValueError(f"{path} has sha256 {found}, expected {sha256}; fetch the file again")
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as f:
                classes = (f.metadata() or {}).get("classes")
                state = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 (no mapping)
            return state, json.loads(classes) if classes else None
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"{path} holds no weights that are safe to read: {error}") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path} holds no state dict (names to tensors) but {type(state)}")
    return {k.removeprefix("module."): v for k, v in state.items()}, None


def _check(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(
            f"no weights at {path}; put the file there, or set weights: pretrained (hub) or random"
        )
