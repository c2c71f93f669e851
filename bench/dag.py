"""The demo run: what a change costs, beside a script that does everything anew.

In a clone of the last commit with a cache of its own, each run once. That DVC finds out what has
changed is part of every run.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from bench._table import main
from bench._turns import Row, compared, seconds_of

ROOT = Path(__file__).parents[1]
CHANGES: dict[str, tuple[str, float]] = {  # a key of params.yaml, and what it becomes
    "one head trained longer": ("train.audio.fit.epochs", 25),
    "one encoder sees more of a picture": ("embed.convnext.crop_pct", 1.0),
    "pictures of another quality": ("decode.jpeg_quality", 80),
}
REST = "everything anew"


def results(*, quick: bool = False) -> list[Row]:
    """Return a row for each change."""
    profile = ROOT / ("tests/pipeline/toy" if quick else "params/demo")
    target = ["score@audio"] if quick else []
    with tempfile.TemporaryDirectory() as folder:
        clone = _clone(ROOT, Path(folder, "clone"))
        params = clone / "params.yaml"
        for file in profile.glob("*.yaml"):
            shutil.copy(file, clone)
        repro = partial(_run, clone, *DVC, "repro", "-q", *target)
        took = {REST: seconds_of(repro), "nothing": seconds_of(repro)}
        _run(clone, "git", *IDENTITY, "commit", "-qam", "run")
        took["another clone that shares the cache"] = _in_another_clone(clone, target)
        for change, (key, value) in list(CHANGES.items())[: 1 if quick else None]:
            _set(params, key, value)
            took[change] = seconds_of(repro)
            _run(clone, "git", "checkout", "-q", ".")
            _run(clone, *DVC, "checkout", "-q", "--allow-missing")
    return [compared(work, REST, s, took[REST]) for work, s in took.items() if work != REST]


def _in_another_clone(clone: Path, target: Sequence[str]) -> float:
    other = _clone(clone, clone.with_name("other"))
    _run(other, *DVC, "cache", "dir", "-q", "--local", str(clone / ".dvc/cache"))
    commands = (["checkout", "-q", "--allow-missing"], ["repro", "-q", *target])
    return sum(seconds_of(partial(_run, other, *DVC, *command)) for command in commands)


def _clone(source: Path, to: Path) -> Path:
    subprocess.run(["git", "clone", "-q", source, to], check=True)
    return to


def _set(path: Path, key: str, value: float) -> None:
    """Set a value of a YAML file by its dotted key."""
    tree: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    *parents, last = key.split(".")
    block = tree
    for parent in parents:
        block = block[parent]
    block[last] = value
    path.write_text(yaml.safe_dump(tree, sort_keys=False), "utf-8")


def _run(folder: Path, *command: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")


DVC = (sys.executable, "-m", "dvc")
IDENTITY = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")

if __name__ == "__main__":
    main("dag")
