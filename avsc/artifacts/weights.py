"""data/weights/<name>: the parameters of an encoder, safetensors or a torch state dict.

A safetensors file may name the classes of a tagger in its metadata: classes = JSON list. Files of
`pretrain` and `finetune` have one key instead, avsc = JSON object of classes and a digest of all.
Pretrained parameters lie in a folder, as transformers and timm save it, or in the cache of the
Hugging Face hub; `files_of` finds what was loaded from there.
"""

import hashlib
import json
import re
import struct
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeGuard

import huggingface_hub
import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from avsc import spelling
from avsc.artifacts import whole
from avsc.artifacts.damage import (
    HEAL,
    DamagedError,
    NotReadError,
    damaged,
    probe,
    refuse_system_error,
)

SEAL = "avsc"
UNREADABLE = (  # what safetensors, json and torch's unpickler raise on damaged files
    SafetensorError,
    UnpicklingError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    struct.error,
)
TYPES = {
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.int32,  # counters and indices
    torch.int64,
    torch.bool,
}
WRAPPERS = re.compile(r"((module|_orig_mod)\.)+", re.ASCII)  # of DataParallel, torch.compile
SAFE_TYPES = {"F16", "BF16", "F32", "F64", "I32", "I64", "BOOL"}  # the same in safetensors
HUB_FILES = (  # in the order in which transformers and timm look for them
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)


CONVERTED = {"made_by": "avsc weights convert"}


def write(
    path: Path, state: Mapping[str, Tensor], *, classes: Sequence[str], converted: bool = False
) -> None:
    """Write a state dict and the names of its classes; `converted`: of somebody else's training."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in state.items()}
    about = {"classes": list(classes)} | (CONVERTED if converted else {})
    whole.write(path, save(tensors, metadata=sealed(tensors, about)))


def sealed(state: Mapping[str, Tensor], about: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of a safetensors file: `about`, and the digest of it and the tensors.

    It has one key, because safetensors writes several in random order.
    """
    own = {k: v for k, v in about.items() if k != "sha256"}
    parts = [state_digest(state), json.dumps(own, sort_keys=True)]
    own["sha256"] = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return {SEAL: json.dumps(own)}


def trained_here(path: Path) -> bool:
    """Return whether a stage of this project wrote the file, so that encoders fit its training."""
    if path.suffix != ".safetensors":
        return False
    with safe_open(path, "pt") as f:
        metadata = f.metadata() or {}
    about = json.loads(metadata[SEAL]) if SEAL in metadata else metadata
    return "classes" in about and about.get("made_by") != CONVERTED["made_by"]


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
            wrappers are opened); nothing else can be unpickled. Names lose the prefixes of
            DataParallel and torch.compile.
        sha256: what the file must hash to.

    Raises:
        FileNotFoundError: if there is no such file.
        NotReadError: if the system cannot read it.
        ValueError: if the digest differs or the file holds something else, quantized tensors among
            it: what their numbers stand for is not known here.
    """
    _check(path)
    if sha256 is not None:
        check_digest(path, sha256)
    wrapped, classes = _read(path)
    state = {WRAPPERS.sub("", k): v for k, v in wrapped.items()}
    _refuse(path, {k: v.dtype for k, v in state.items() if v.dtype not in TYPES}, len(state))
    return state, classes


def _read(path: Path) -> tuple[dict[str, Tensor], list[str] | None]:
    try:
        if path.suffix == ".safetensors":
            return _safe(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a strange pickle protocol is no more than a warning
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (DamagedError, NotReadError):
        raise
    except (*UNREADABLE, Warning) as error:
        refuse_system_error(path, error)
        raise ValueError(
            f"{path} holds no weights that are safe to read ({_cause(error)}); expected a whole "
            "<name>.safetensors, or a state dict that torch.save wrote: fetch it again, or, if a "
            f"stage wrote it, {HEAL}"
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not _is_state(state):
        names = f"a dict of {', '.join(map(repr, state))}" if isinstance(state, dict) else ""
        raise ValueError(
            f"{path} holds no state dict (names to tensors) but {names[:200] or type(state)}; save "
            "the state dict alone: torch.save(model.state_dict(), ...)"
        )
    return state, None


def _is_state(state: object) -> TypeGuard[dict[str, Tensor]]:
    return (
        isinstance(state, dict)
        and bool(state)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())
    )


def _cause(error: Exception) -> str:
    """Return in a line what is wrong; torch's advice is to run what the pickle asks for."""
    if not isinstance(error, UnpicklingError):
        return (str(error) or type(error).__name__).splitlines()[0]
    asked = re.search(r"GLOBAL (\S+)", str(error))
    return f"its pickle asks to run {asked[1]}" if asked else "no pickle of tensors"


def _safe(path: Path) -> tuple[dict[str, Tensor], list[str] | None]:
    probe(path)
    with safe_open(path, "pt") as f:
        about = f.metadata() or {}
        state = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 (no mapping)
    if SEAL in about:
        own = json.loads(about[SEAL])
        if about != sealed(state, own):
            raise damaged(path, "its content does not have the sha256 that it says")
        return state, own["classes"]
    stated = about.get("classes")
    classes = json.loads(stated) if stated else None
    if stated and not (isinstance(classes, list) and all(isinstance(c, str) for c in classes)):
        raise ValueError(f"its classes are {stated[:80]!r}, no list of names")
    return state, classes


def check_types(name: str, revision: str | None) -> None:
    """Raise a ValueError if the safetensors of a pretrained network hold quantized tensors."""
    path, _ = files_of(name, revision)
    if path is not None and path.suffix == ".safetensors":
        with safe_open(path, "pt") as f:
            found = {k: f.get_slice(k).get_dtype() for k in f.keys()}  # noqa: SIM118 (no mapping)
        _refuse(path, {k: kind for k, kind in found.items() if kind not in SAFE_TYPES}, len(found))


def _refuse(path: Path, strange: Mapping[str, object], count: int) -> None:
    for name, kind in strange.items():
        raise ValueError(
            f"{path}: {name} is {kind} ({len(strange)} of {count} tensors); expected floating "
            "numbers of 16, 32 or 64 bits: take the checkpoint that is not quantized"
        )


def check_digest(path: Path, sha256: str) -> None:
    """Raise a ValueError unless the file hashes to `sha256`, in small or capital letters."""
    found = digest(path)
    if not re.fullmatch("[0-9a-fA-F]{64}", str(sha256)):
        raise ValueError(
            f"sha256 is {sha256!r}, expected 64 hexadecimal digits; those of {path} are {found}"
        )
    if found != sha256.lower():
        raise ValueError(f"{path} has sha256 {found}, expected {sha256}; fetch the file again")


def state_digest(state: Mapping[str, Tensor]) -> str:
    """Return the sha256 of names, types, shapes and values, wherever they came from."""
    hashed = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        hashed.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        hashed.update(tensor.flatten().view(torch.uint8).numpy().data)
    return hashed.hexdigest()


def files_of(name: str, revision: str | None) -> tuple[Path | None, str | None]:
    """Return the file that a pretrained network was loaded from, and the commit it is of.

    Args:
        name: a folder, or a repository of the Hugging Face hub that is in the cache.
        revision: branch, tag or commit of the repository; None is its main branch.

    Returns:
        None for the file where it cannot be found (a network in several files), and for the commit
        of a folder.
    """
    for file in HUB_FILES:
        path = Path(name) / file
        if path.is_file():
            return path, None
        if Path(name).is_dir():
            continue
        cached = huggingface_hub.try_to_load_from_cache(name, file, revision=revision)
        if isinstance(cached, str):
            return Path(cached), Path(cached).parent.name  # .../snapshots/<commit>/<file>
    return None, None


def licence(name: str, revision: str | None) -> str | None:
    """Return the licence that the model card of a folder or repository states, if there is one.

    The card is fetched where it is not in the cache; without network there is none. A card that
    cannot be read states none.
    """
    card = Path(name) / "README.md"
    if not Path(name).is_dir():
        try:
            card = Path(huggingface_hub.hf_hub_download(name, card.name, revision=revision))
        except OSError:  # the hub's errors are of this kind
            return None
    if not card.is_file():
        return None
    front = card.read_text("utf-8", "replace").split("---\n")
    try:
        head = yaml.safe_load(front[1]) if len(front) > 2 and not front[0].strip() else {}
    except yaml.YAMLError:
        return None
    stated = head.get("license") if isinstance(head, dict) else None
    return ", ".join(map(str, stated)) if isinstance(stated, list) else stated


def _check(path: Path) -> None:
    if not path.is_file():
        near = spelling.nearest(path.stem, (p.stem for p in path.parent.glob("*.*")))
        raise FileNotFoundError(f"no weights at {path}; {_remedy(path)}" + (near and f"; {near}"))


def _remedy(path: Path) -> str:
    """Return how to get a file of weights; one that `dvc add` has shared has a .dvc file."""
    if path.with_name(f"{path.name}.dvc").is_file():
        return f"fetch the shared file with `dvc pull {path}`"
    return (
        f"run `dvc repro` if a stage writes it, or put the file there and run `dvc add {path}` to "
        "share it with clones, or set weights: pretrained (hub) or random"
    )
