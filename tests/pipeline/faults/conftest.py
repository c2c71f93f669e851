import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from avsc.artifacts import manifest
from tests.pipeline.project import Project


@pytest.fixture(scope="session")
def finished(reproduced, tmp_path_factory) -> Project:
    """The toy project with imported features, all of it up to date."""
    project = reproduced.copy(tmp_path_factory.mktemp("faults") / "project")
    import_features(project)
    project.repro("import_features@sound")
    project.commit()
    return project


def import_features(project: Project) -> None:
    rows = manifest.read(project.root / "data/manifest/media.csv", manifest.MEDIA)
    folder = project.root / "data/raw/features"
    folder.mkdir()
    draw = np.random.default_rng(1)
    np.savez(
        folder / "sound.npz",
        **{r["clip_id"]: draw.normal(size=(2, 4)).astype(np.float32) for r in rows},
    )
    taken = {"root": "data/raw/features", "files": ["sound.npz"], "modality": "audio"}
    project.edit(import_features={"sound": {**taken, "select": "rows"}})


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory) -> Project:
    """A copy without DVC's cache, for stages that are run by hand and leave all as it was."""
    copy = finished.copy(tmp_path_factory.mktemp("faults") / "project")
    shutil.rmtree(copy.root / ".dvc/cache")
    return copy


@pytest.fixture
def own(finished, tmp_path) -> Project:
    """A copy to be changed."""
    return finished.copy(tmp_path / "project")


@pytest.fixture
def small_disk():
    """Return what puts a folder on a disk of so many KiB, or on one that is read-only."""
    mounted: list[Path] = []

    def mount(folder: Path, *options: str) -> None:
        done = subprocess.run(
            ["mount", *options, str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no mount is allowed here: {done.stderr.strip()}")
        if folder not in mounted:
            mounted.append(folder)

    yield mount
    for folder in mounted:  # unless the test has done so
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)
