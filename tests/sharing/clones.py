"""Clones that share through a remote: how they are told of it, and what they hold."""

import json
from collections.abc import Iterable
from pathlib import Path

from dvc.config import Config

from tests.pipeline.project import Project
from tests.sharing.remotes import Remote, files


def connected(project: Project, remote: Remote) -> Project:
    """Tell a repository of a remote and commit what others may know of it."""
    with Config(str(project.root / ".dvc"), validate=False).edit("repo") as config:
        config["core"] = config.get("core", {}) | {"remote": "store"}
        config["remote"] = {"store": {"url": remote.url} | remote.options}
    project.commit()
    return trusted(project, remote)


def trusted(project: Project, remote: Remote) -> Project:
    """Give a clone the secrets of a remote."""
    with Config(str(project.root / ".dvc"), validate=False).edit("local") as config:
        config["remote"] = {"store": dict(remote.secrets)}
    return project


def clone(project: Project, to: Path, remote: Remote) -> Project:
    project.run("git", "clone", "-q", str(project.root), str(to))
    (to / ".trace").mkdir(exist_ok=True)
    return trusted(Project(to), remote)


def cached(project: Project) -> dict[str, int]:
    """Return {path: size} of the objects in a clone's cache, as a remote calls them."""
    found = files(project.root / ".dvc/cache")
    return {path: size for path, size in found.items() if path.startswith("files/")}


def behind(project: Project, digests: Iterable[str]) -> set[str]:
    """Return the objects that outputs with these digests consist of, as a remote calls them."""
    found = set()
    for digest in digests:
        found.add(path := f"files/md5/{digest[:2]}/{digest[2:]}")
        if digest.endswith(".dir"):
            listing = json.loads((project.root / ".dvc/cache" / path).read_text())
            found |= behind(project, [entry["md5"] for entry in listing])
    return found
