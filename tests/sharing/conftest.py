from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.pipeline.project import Project, fresh
from tests.sharing import features
from tests.sharing.remotes import KINDS, Remote


@pytest.fixture(scope="session")
def extracted(tmp_path_factory) -> Project:
    """The toy project after extraction, nothing trained, committed."""
    project = fresh(tmp_path_factory.mktemp("extracted") / "project")
    project.repro("embed@convnext", "embed@scalogram")
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


@pytest.fixture(params=KINDS)
def remote(request, connected_to) -> Iterator[Remote]:
    with connected_to(request.param) as remote:
        yield remote


@pytest.fixture
def folder(connected_to) -> Iterator[Remote]:
    with connected_to("directory") as remote:
        yield remote
