"""Studies on a Ray cluster."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from avsc import cells
from stages import study
from tests.pipeline.encoding import node, until
from tests.pipeline.project import ROOT
from tests.pipeline.ray_nodes import NODE
from tests.stages import toy_study

pytestmark = [pytest.mark.slow, pytest.mark.fault]
OUT = Path("data/studies/s")
CELLS = 8


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    toy_study.write(tmp_path)
    return tmp_path


def run(project, executor, asked=toy_study.STUDY):
    """Run the stage; return the bytes of all files, which are then forgotten."""
    toy_study.wanted(project, asked, executor=executor)
    study.main("s")
    OUT.parent.rename(project / f"made {len(list(project.glob('made *')))}")
    Path(".avsc").rename(project / f"kept {len(list(project.glob('kept *')))}")
    made = max(project.glob("made *"))
    return {path.name: path.read_bytes() for path in (made / "s").iterdir()}


def on(cluster):
    return {"name": "ray", "address": cluster.address, "gpus": 0}


@dataclass(frozen=True)
class Training:
    """What trains cells, but on one node begins the first one and never ends it.

    Attributes:
        log: a file for lines, each the node and the key of a cell that was begun.
        stays: the node. The others wait until it has begun a cell.
    """

    log: Path
    stays: str

    def __call__(self, directory):
        return partial(map, partial(self.trained, cells.Trainer(directory)))

    def trained(self, trainer, cell):
        with self.log.open("a") as f:
            f.write(f"{node()} {cell.name}\n")
        until(self.has_begun)
        if node() == self.stays:
            until(lambda: False)
        return trainer(cell)

    def begun(self):
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.split() for line in lines]

    def has_begun(self):
        return self.stays in [where for where, _ in self.begun()]


def test_cells_of_a_cluster_are_those_of_this_machine(cluster, project, capsys):
    assert run(project, on(cluster)) == run(project, "local")
    assert capsys.readouterr().out == f"study s: {CELLS} trained, 0 kept\n" * 2


def test_an_error_of_a_cell_is_raised_here_and_names_it(cluster, project):
    wild = {"wild": {"set": {"fit": {"lr": 1e30, "optimizer": "sgd"}}}}
    with pytest.raises(ValueError, match=r"training loss is (nan|inf).*lower fit.lr") as told:
        run(project, on(cluster), toy_study.edited(rows=wild))
    assert "cell 'wild', seed" in told.value.__notes__[0]


@pytest.mark.nightly
def test_a_lost_node_costs_the_cell_that_it_was_at(cluster, project, monkeypatch, caplog):
    third = cluster.add_node(num_cpus=1, **NODE)
    training = Training(project / "log", third.node_id)
    monkeypatch.setattr(cells, "worker", training)

    def kill():
        until(training.has_begun)
        cluster.remove_node(third, allow_graceful=False)

    killing = Thread(target=kill)
    killing.start()
    found = run(project, on(cluster))
    killing.join()
    names = [name for _, name in training.begun()]
    (lost,) = [name for where, name in training.begun() if where == third.node_id]
    assert sorted(names) == sorted([*set(names), lost])
    assert len(set(names)) == CELLS
    assert "a worker was lost, and cell" in caplog.text
    assert found == run(project, "local")
