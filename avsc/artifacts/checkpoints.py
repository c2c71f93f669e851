""".avsc/**.safetensors: a training run as it was after an epoch, for one that was killed.

Tensors under the names that the training gave them; metadata: made_of = sha256 of all that decides
the run, history = JSON list, a row an epoch, sha256 of the rest.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from avsc.artifacts import whole
from avsc.artifacts.weights import state_digest


def write(
    path: Path,
    state: Mapping[str, Tensor],
    history: Sequence[Mapping[str, Any]],
    *,
    made_of: str,
) -> None:
    """Write a checkpoint in place of the one before.

    Raises:
        NotWrittenError: if the disk is full, read-only or broken.
    """
    said = {"made_of": made_of, "history": json.dumps(list(history))}
    with whole.writing(path) as partial:
        save_file(dict(state), partial, metadata=said | {"sha256": _digest(state, said)})


def read(path: Path, *, made_of: str) -> tuple[dict[str, Tensor], list[dict[str, Any]]] | None:
    """Return state and history of a run, or None if there is none or it is of another run.

    Raises:
        ValueError: if the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as f:
            said = f.metadata() or {}
            if said.get("made_of", made_of) != made_of:
                return None
            state = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 (no mapping)
        if _digest(state, said) != said.get("sha256"):
            raise ValueError("its digest is another")
        return state, json.loads(said["history"])
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise ValueError(
            f"{path} is damaged ({error}); delete it to train from the start"
        ) from error


def _digest(state: Mapping[str, Tensor], said: Mapping[str, str]) -> str:
    told = {k: v for k, v in said.items() if k != "sha256"}
    parts = [state_digest(state), json.dumps(told, sort_keys=True)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
