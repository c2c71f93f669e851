"""Train the cells of a study, each named by a key of all that determines its predictions."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from avsc import experiment, processes
from avsc.artifacts import digests, embeddings, predictions, shard
from avsc.artifacts.embeddings import Embeddings
from avsc.artifacts.extraction import key_of
from avsc.params.study import Study

LABELS = Path("manifest/labels_train.csv")


@dataclass(frozen=True)
class Cell:
    """A row of a study's table, trained from one seed.

    Attributes:
        name: the key.
        row: name of the row.
        seed: of all that is drawn.
        block: its experiment, as in params.yaml.
    """

    name: str
    row: str
    seed: int
    block: Mapping[str, Any]

    def __str__(self) -> str:
        return f"cell {self.row!r}, seed {self.seed}"


def planned(
    study: Study, blocks: Mapping[str, Mapping[str, Any]], key: Callable[[Cell], str]
) -> list[Cell]:
    """Return the cells of a study in order, each with the name that `key` gives it.

    Args:
        study: its seeds, and the entry that holds all arrays.
        blocks: {row: experiment}.
        key: a cell -> its name.
    """
    cells = [
        Cell("", row, seed, {**block, "within": study.inputs})
        for row, block in blocks.items()
        for seed in study.seeds
    ]
    return [replace(cell, name=processes.noting(key, cell)) for cell in cells]


@contextmanager
def keys(
    code: Callable[[str], str], known: Path, *, root: Path = Path("data")
) -> Iterator[Callable[[Cell], str]]:
    """Yield what names a cell by its experiment, its seed, the files that it reads, and the code.

    Args:
        code: name of a head -> digest of the code that trains it.
        known: where the digests of files are remembered.
        root: of the files.
    """
    with digests.remembered(known) as sha256:
        read: dict[Path, str] = {}

        def files(path: Path) -> str:
            if path not in read:
                found = shard.paths(path) if path.is_dir() else [path]
                read[path] = key_of(*((p.name, sha256(p)) for p in found))
            return read[path]

        def key(cell: Cell) -> str:
            block, folders = cell.block, experiment.directories(cell.block, root=root)
            labels = None if block["labels"] == "none" else files(root / block["labels"])
            return key_of(
                "cell",
                experiment.meant(block),
                cell.seed,
                {m: files(folder) for m, folder in folders.items()},
                [files(root / LABELS), labels],
                code(block["head"]),
            )[:20]

        yield key


def by_arrays(cells: Iterable[Cell]) -> list[Cell]:
    """Return cells in an order in which those that read the same arrays are neighbours."""
    return sorted(cells, key=lambda cell: (_arrays_of(cell.block), cell.row, cell.seed))


def read_bytes(cells: Iterable[Cell], *, root: Path = Path("data")) -> int:
    """Return the size of all files of embeddings that some cells read."""
    folders = {d for cell in cells for d in experiment.directories(cell.block, root=root).values()}
    return sum(p.stat().st_size for folder in folders for p in shard.paths(folder))


def worker(directory: Path) -> Callable[[Iterable[Cell]], Iterator[Cell]]:
    """Return what trains a stream of cells on a node of a cluster."""
    return partial(map, partial(processes.noting, Trainer(directory)))


class Trainer:
    """Trains cells and writes their predictions to a directory.

    Arrays are read once for all cells that read the same. Those that `load` has read are kept;
    beyond them, those of one experiment are in memory at a time.
    """

    def __init__(self, directory: Path) -> None:
        torch.set_num_threads(1)  # or the number of processes would change sums
        self.directory = directory
        self._data: dict[object, experiment.Data] = {}
        self._rows: dict[object, Embeddings] = {}

    def load(self, cells: Iterable[Cell]) -> int:
        """Read the arrays of some cells; return the bytes of the largest that one cell reads."""
        return max(self._loaded(cell.block).nbytes for cell in cells)

    def __call__(self, cell: Cell) -> Cell:
        """Return the cell once its file is there."""
        if _arrays_of(cell.block) not in self._data:
            self._data.clear()
            self._rows.clear()
        data = self._loaded(cell.block)
        fitted = experiment.fit(cell.block, data, seed=cell.seed)
        splits = {s: experiment.predictions(fitted, data, s) for s in ("val", "test")}
        predictions.write(self.directory / f"{cell.name}.parquet", splits, key=cell.name)
        return cell

    def _loaded(self, block: Mapping[str, Any]) -> experiment.Data:
        arrays = _arrays_of(block)
        if arrays not in self._data:
            self._data[arrays] = experiment.load(block, read=self._read)
        return self._data[arrays]

    def _read(self, directory: Path, clip_id: Sequence[str], name: str = "embedding") -> Embeddings:
        which = directory, tuple(clip_id), name
        if which not in self._rows:
            self._rows[which] = embeddings.read(directory, clip_id, name)
        return self._rows[which]


def _arrays_of(block: Mapping[str, Any]) -> tuple[object, ...]:
    return block["inputs"], block["labels"], *sorted(block.get("views", ()))
