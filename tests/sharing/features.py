"""A repository of nothing but embeddings, in shards that the pipeline's own extraction wrote."""

import contextlib
import hashlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from avsc.artifacts.extraction import extract
from tests.pipeline.project import Project

OUT = Path("data/embeddings/x")


def repository(root: Path) -> Project:
    """Return an empty repository for git and DVC."""
    (root / ".trace").mkdir(parents=True)
    (root / ".gitignore").write_text("/.avsc/\n/.trace/\n")
    project = Project(root)
    project.run("git", "init", "-q", "-b", "main")
    project.run("dvc", "init", "-q")
    return project


def hold(project: Project, clip_ids: Iterable[str]) -> None:
    """Make the embeddings those of these clips, and commit them."""
    keys = {c: hashlib.sha256(c.encode()).hexdigest() for c in clip_ids}
    with contextlib.chdir(project.root):
        extract(OUT, keys, lambda: partial(map, embedding), about={})
    project.run("dvc", "add", "-q", str(OUT))
    project.commit()


def embedding(clip_id: str) -> dict[str, np.ndarray]:
    """Return ten rows that no other clip has."""
    drawn = np.random.default_rng(list(clip_id.encode())).normal(size=(10, 32))
    return {"embedding": drawn.astype(np.float32)}


def named(count: int, prefix: str = "clip") -> list[str]:
    return [f"{prefix}{i:05d}" for i in range(count)]
