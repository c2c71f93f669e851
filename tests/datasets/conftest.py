import pytest
import yaml

from avsc.datasets import sources
from tests.datasets.archive_server import serving
from tests.datasets.toy_archives import ARCHIVES, TOP, published


@pytest.fixture
def server():
    with serving() as server:
        server.files |= {f"/TOY.{part}.zip": content for part, content in ARCHIVES.items()}
        yield server


@pytest.fixture
def listed(server, tmp_path):
    """Return a function that writes a list of archives and reads it."""

    def listed(archives=None, **changes):
        block = {"title": "toy set", "doi": "10.0/toy", "licence": "toy use only", "folder": TOP}
        block |= {"url": f"{server.url}/{{name}}", "name": "TOY.{part}.zip"}
        block |= {"archives": published() if archives is None else archives} | changes
        (tmp_path / "list.yaml").write_text(yaml.safe_dump({"development": block}, sort_keys=False))
        return sources.read(tmp_path / "list.yaml", "development")

    return listed
