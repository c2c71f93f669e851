import pytest

from tests.pipeline.project import Project, fresh


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory) -> Project:
    """The toy project after its first `dvc repro`, committed; `toy` is a copy to be changed."""
    project = fresh(tmp_path_factory.mktemp("toy") / "project")
    project.repro()
    project.commit()
    return project


@pytest.fixture
def toy(reproduced, tmp_path) -> Project:
    return reproduced.copy(tmp_path / "project")


@pytest.fixture(scope="module")
def cluster():
    from tests.pipeline.ray_nodes import started  # which sets what Ray reads when it is imported

    with started() as made:
        yield made
