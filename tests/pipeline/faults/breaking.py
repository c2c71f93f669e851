"""Run stages of a toy project with a fault in them, and see what they leave."""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from subprocess import CompletedProcess

import yaml

from tests.pipeline.project import Project

ROUNDS = int(os.environ.get("AVSC_FAULT_ROUNDS", "2"))
CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.link", "os.rmdir", "shutil.rmtree")
EVENTS = f"""
import os, sys

def changes(event, arguments):
    "Whether an event changes what lies on the disk."
    opened = arguments[1] if event == "open" else None
    return event in {CHANGES} or isinstance(opened, str) and bool(set(opened) & set("wax+"))
"""


def fault(project: Project, code: str) -> None:
    """Let `code` run at the start of each stage; "" lets nothing run."""
    path = project.root / ".trace/stages.py"
    path.write_text(code)


def run(project: Project, stage: str, code: str = "") -> CompletedProcess[str]:
    """Run a stage, such as "train fused", as DVC does, with a fault in it."""
    fault(project, code)
    module, *arguments = stage.split()
    try:
        return project.run("python", "-m", f"stages.{module}", *arguments, check=False)
    finally:
        fault(project, "")


def repro(project: Project, *arguments: str) -> list[str]:
    """Run `dvc repro`, and return the stages that ran."""
    return project.repro(*arguments).stages


def outputs(project: Project) -> dict[str, list[str]]:
    """Return the outputs of each stage, such as "train fused"."""
    stages = yaml.safe_load((project.root / "dvc.lock").read_text())["stages"].values()
    return {
        s["cmd"].removeprefix("python -m stages."): [o["path"] for o in s["outs"]] for s in stages
    }


def contents(project: Project, outs: Iterable[str]) -> dict[str, bytes]:
    """Return the files of outputs, and what a run has left beside them."""
    found = [project.root / out for out in outs]
    files = {f for p in found for f in (p, *p.parent.glob(f".{p.name}*"), *p.rglob("*"))}
    return {
        f.relative_to(project.root).as_posix(): f.read_bytes() for f in sorted(files) if f.is_file()
    }


def removed(project: Project, outs: Iterable[str]) -> None:
    """Remove outputs, as DVC does before it runs a stage."""
    for path in (project.root / out for out in outs):
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)


def forgotten(project: Project) -> None:
    """Remove what killed runs have left for the next."""
    shutil.rmtree(project.root / ".avsc", ignore_errors=True)


def told(done: CompletedProcess[str]) -> str:
    """Return the error of a stage: one message, and no traceback."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    message, *more = re.findall(r"^error: (.*)$", done.stderr, re.MULTILINE)
    assert not more
    return message


def flip(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3 - 1]


def damaged(path: Path, content: bytes) -> bytes:
    """Put `content` in a file's place, and return what it held."""
    before = path.read_bytes()
    path.unlink()  # it may be a hard link into the cache
    path.write_bytes(content)
    return before
