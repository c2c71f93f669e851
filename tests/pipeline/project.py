"""A toy copy of the project, run by DVC: what its stages ran, encoded and loaded."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from avsc.artifacts.code_digests import PLUGINS, Sources
from tests import params_files
from tests.pipeline import warm

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """What one `dvc repro` did."""

    stages: list[str]
    encoded: dict[str, int]
    output: str


@dataclass(frozen=True)
class Project:
    """A copy of the project in a directory of its own, whose stages are forked: see warm.py."""

    root: Path

    def run(
        self, *command: str, check: bool = True, **env: str
    ) -> subprocess.CompletedProcess[str]:
        if command[0] == "dvc":
            command = ("python", "-m", *command)
        env = environment() | env
        done = subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True)
        if check and done.returncode:
            raise AssertionError(f"{command} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    def repro(self, *arguments: str) -> Ran:
        """Run `dvc repro` and read from its output what was done."""
        output = self.run("dvc", "repro", *arguments).stdout
        tallies = re.findall(r"^(decode|embed \w+): (\d+) encoded", output, re.MULTILINE)
        stages = re.findall(r"^Running stage '([^']+)'", output, re.MULTILINE)
        return Ran(stages, {name: int(n) for name, n in tallies}, output)

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", "state")

    def edit(self, **changes: object) -> None:
        """Set values of params.yaml or studies.yaml by dotted keys, "." written as "__"."""
        tree = params_files.read(self.root)
        for key, value in changes.items():
            *parents, last = key.split("__")
            block = tree
            for parent in parents:
                block = block[parent]
            block[last] = value
        params_files.write(self.root, tree)

    def lock(self) -> dict[str, str]:
        """Return the digest of every output that dvc.lock records."""
        stages = yaml.safe_load((self.root / "dvc.lock").read_text())["stages"]
        return {o["path"]: o["md5"] for s in stages.values() for o in s.get("outs", [])}

    def loaded(self) -> dict[str, list[str]]:
        """Return the files of ours that each stage has loaded."""
        traces = (self.root / ".trace").glob("*.json")
        return {p.stem: json.loads(p.read_text()) for p in traces}

    def copy(self, to: Path) -> "Project":
        shutil.copytree(self.root, to, symlinks=True)
        return Project(to)


def environment() -> dict[str, str]:
    """Return the environment in which a project is run."""
    who = [f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")]
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(warm.CLIENT),
        "AVSC_WARM": warm.started(),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AVSC_PROCESSES": "1",  # so that a stage loads, and is killed, in one
        "GIT_CONFIG_GLOBAL": os.devnull,
        **dict.fromkeys(who, "a@b"),
    }


def fresh(root: Path) -> Project:
    """Return a copy of the code with the toy profile, nothing of it run."""
    root.mkdir(parents=True)
    for name in ("avsc", "stages", "dvc.yaml", ".dvcignore", ".gitignore"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / name)
    for name in ("params.yaml", "studies.yaml"):
        shutil.copy(Path(__file__).with_name("toy") / name, root / name)
    tracked = subprocess.run(
        ["git", "ls-files", "data"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    for name in tracked:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / ".trace").mkdir()
    with (root / ".dvcignore").open("a") as f:
        f.write(".trace/\n")
    with (root / ".gitignore").open("a") as f:
        f.write("/.trace/\n")
    project = Project(root)
    project.run("git", "init", "-q", "-b", "main")
    project.run("dvc", "init", "-q")
    for name in ("config",):
        shutil.copy(ROOT / ".dvc" / name, root / ".dvc" / name)
    shutil.copytree(ROOT / ".dvc/plots", root / ".dvc/plots")
    return project


def reproduced(root: Path) -> Project:
    """Return the toy project after its first `dvc repro`, committed."""
    project = fresh(root)
    project.repro()
    project.commit()
    return project


def covered(project: Project, stage: Any) -> set[str]:
    """Return every file of ours that a stage depends on: by keys of code.yaml, or by a model.

    A model's config.json holds the digest of its head.
    """
    train = yaml.safe_load((project.root / "params.yaml").read_text())["train"]
    keys = [k for d in stage.deps if d.def_path == "code.yaml" for k in d.params]
    models = [d.def_path for d in stage.deps if d.def_path.startswith("data/models/")]
    keys += [f"heads.{train[path.split('/')[-1]]['head']}" for path in models]
    found = set()
    for kind, name in (key.split(".") for key in keys):
        plugins = [f"heads/{head}" for head in studied(project, name)] if kind == "study" else []
        plugins += [f"{kind}/{name}"] if kind in PLUGINS and name != "none" else []
        entries = [f"avsc/{p}.py" for p in plugins]
        entries += [f"stages/{name}.py"] if kind == "stages" else []
        found |= {f for entry in entries for f in Sources().closure(entry)}
    return found


def studied(project: Project, study: str) -> list[str]:
    """Return the heads of a study's cells, as the stage `code` found them."""
    return list(yaml.safe_load((project.root / "code.yaml").read_text())["study"][study])
