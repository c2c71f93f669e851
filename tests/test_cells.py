"""Arrays of cells: read once where all are loaded before, one experiment's at a time where not."""

import pytest

from avsc import cells
from avsc.artifacts import embeddings
from avsc.cells import Cell
from tests.stages import toy_study

BASE = toy_study.BASE | {"within": "av"}
BLOCKS = {"both": BASE, "audio": BASE | {"inputs": "ears"}, "again": BASE | {"head": "late"}}
CELLS = [Cell(name, name, 1, block) for name, block in BLOCKS.items()]


@pytest.fixture
def read(tmp_path, monkeypatch):
    """The encoders whose arrays were read, in order."""
    monkeypatch.chdir(tmp_path)
    toy_study.write(tmp_path)
    found, reading = [], embeddings.read

    def noted(directory, clip_id, name="embedding"):
        found.append(directory.name)
        return reading(directory, clip_id, name)

    monkeypatch.setattr(embeddings, "read", noted)
    return found


def test_cells_of_the_same_arrays_are_neighbours():
    assert [cell.name for cell in cells.by_arrays(CELLS)] == ["again", "both", "audio"]


def test_loaded_arrays_are_read_once_for_all_cells(read, tmp_path):
    trainer = cells.Trainer(tmp_path)
    rows = 16 * 3  # clips of three seconds, of 3 and 2 float32
    assert trainer.load(CELLS) == rows * (3 + 2) * 4
    for cell in CELLS:
        trainer(cell)
    assert read == ["ears", "eyes"]


def test_arrays_that_were_not_loaded_are_read_for_neighbours_together(read, tmp_path):
    trainer = cells.Trainer(tmp_path)
    for cell in cells.by_arrays(CELLS):
        trainer(cell)
    assert read == ["ears", "eyes", "ears"]
    assert {path.stem for path in tmp_path.glob("*.parquet")} == set(BLOCKS)


def test_the_size_of_the_files_that_cells_read_counts_each_once(read, tmp_path):
    files = [tmp_path / f"data/embeddings/{encoder}/a.h5" for encoder in ("ears", "eyes")]
    assert cells.read_bytes(CELLS) == sum(path.stat().st_size for path in files)
    assert cells.read_bytes(CELLS[1:2]) == files[0].stat().st_size
    assert read == []
