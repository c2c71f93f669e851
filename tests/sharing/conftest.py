from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import yaml

from tests.pipeline.project import Project, reproduced
from tests.sharing import features
from tests.sharing.remotes import KINDS, Remote

NIGHTLY = pytest.mark.nightly


@pytest.fixture(scope="session")
def extracted(once, tmp_path_factory) -> Project:
    """The toy project after extraction, nothing trained, committed."""
    project = Project(once("toy", reproduced)).copy(
        tmp_path_factory.mktemp("extracted") / "project"
    )
    path = project.root / "dvc.lock"
    lock = yaml.safe_load(path.read_text())
    kept = ("code", "synthesize", "index", "decode", "embed@convnext", "embed@scalogram")
    lock["stages"] = {n: s for n, s in lock["stages"].items() if n.startswith(kept)}
    path.write_text(yaml.safe_dump(lock, sort_keys=False))
    project.commit()
    return project


@pytest.fixture(scope="session")
def shards(tmp_path_factory) -> Project:
    """A repository of the embeddings of a thousand clips."""
    project = features.repository(tmp_path_factory.mktemp("shards") / "project")
    features.hold(project, features.named(1000))
    return project


@pytest.fixture
def connected_to(tmp_path, monkeypatch) -> Callable:
    """Open a remote of one kind."""

    @contextmanager
    def opened(kind: str) -> Iterator[Remote]:
        with KINDS[kind](tmp_path / "remote") as remote:
            for name, value in remote.environment.items():
                monkeypatch.setenv(name, value)
            yield remote

    return opened


@pytest.fixture(
    params=[k if k in ("directory", "s3") else pytest.param(k, marks=NIGHTLY) for k in KINDS]
)
def remote(request, connected_to) -> Iterator[Remote]:
    with connected_to(request.param) as remote:
        yield remote


@pytest.fixture
def folder(connected_to) -> Iterator[Remote]:
    with connected_to("directory") as remote:
        yield remote
