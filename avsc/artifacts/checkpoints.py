""".avsc/**.safetensors: a training run as it was after an epoch, for one that was killed.

Tensors under the names that the training gave them; metadata: avsc = JSON object of made_of (sha256
of all that decides the run), history (a row an epoch) and a digest of all.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from avsc.artifacts import whole
from avsc.artifacts.damage import probe, refuse_system_error
from avsc.artifacts.weights import SEAL, sealed


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
    said = {"made_of": made_of, "history": list(history)}
    with whole.writing(path) as partial:
        save_file(dict(state), partial, metadata=sealed(state, said))


def read(path: Path, *, made_of: str) -> tuple[dict[str, Tensor], list[dict[str, Any]]] | None:
    """Return state and history of a run, or None if there is none or it is of another run.

    Raises:
        NotReadError: if the system cannot read it.
        ValueError: if the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        probe(path)
        with safe_open(path, "pt") as f:
            about = f.metadata() or {}
            said = json.loads(about.get(SEAL, "{}"))
            if said.get("made_of", made_of) != made_of:
                return None
            state = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 (no mapping)
        if about != sealed(state, said):
            raise ValueError("its digest is another")
        return state, said["history"]
    except (SafetensorError, ValueError, KeyError, AttributeError, OSError) as error:
        refuse_system_error(path, error)
        raise ValueError(
            f"{path} is damaged ({error}); delete it to train from the start"
        ) from error
