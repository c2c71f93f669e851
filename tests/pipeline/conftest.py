import pytest

from tests.pipeline import project
from tests.pipeline.project import Project


@pytest.fixture(scope="session")
def reproduced(once, tmp_path_factory) -> Project:
    """The toy project after its first `dvc repro`, committed; `toy` is a copy to be changed."""
    made = Project(once("toy", project.reproduced))
    return made.copy(tmp_path_factory.mktemp("toy") / "project")


@pytest.fixture
def toy(reproduced, tmp_path) -> Project:
    return reproduced.copy(tmp_path / "project")


@pytest.fixture(scope="module")
def cluster():
    from tests.pipeline.ray_nodes import started  # which sets what Ray reads when it is imported

    with started() as made:
        yield made
