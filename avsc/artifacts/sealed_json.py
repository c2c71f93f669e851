"""JSON files that hold their own digest and the name of their folder.

folder   name of the folder, so that a copy under another name is refused
sha256   of all else in the file, as `json.dumps(..., sort_keys=True)` writes it
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avsc.artifacts import whole
from avsc.artifacts.damage import HEAL, DamagedError, damaged, reading

OWN = ("folder", "sha256")


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping of JSON values with its digest."""
    sealed = {**content, "folder": path.absolute().parent.name}
    sealed["sha256"] = _digest(sealed)
    whole.write(path, (json.dumps(sealed, indent=1, sort_keys=True) + "\n").encode())


def read(path: Path) -> dict[str, Any]:
    """Return what `write` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        NotReadError: if the system cannot read it.
        DamagedError: if its content is not what was written, or it is of another folder.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; run `dvc repro` or `dvc pull` first")
    with reading(path, ValueError, RecursionError):
        sealed = json.loads(path.read_text("utf-8"))
        if not isinstance(sealed, dict) or not sealed.keys() >= set(OWN):
            raise damaged(path, f"it lacks {' or '.join(OWN)}")
        if (found := _digest(sealed)) != sealed["sha256"]:
            raise damaged(path, f"its content has sha256 {found}, it says {sealed['sha256']}")
    if sealed["folder"] != (name := path.absolute().parent.name):
        raise DamagedError(
            f"{path} was written for {sealed['folder']!r}, expected {name!r}; {HEAL}"
        )
    return {k: v for k, v in sealed.items() if k not in OWN}


def _digest(sealed: Mapping[str, Any]) -> str:
    content = {k: v for k, v in sealed.items() if k != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
