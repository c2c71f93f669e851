"""study <name>: a table of a paper, cell by cell -> data/studies/<name>/.

Cells that an earlier run has trained, also one that was killed, are taken over. The others are
trained by as many processes as the cores and the memory have room for, or AVSC_PROCESSES says, or
by a Ray cluster. The predictions of a cell do not depend on that.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from tqdm import tqdm

from avsc import cells, executors, params, processes
from avsc.artifacts import finished
from avsc.artifacts.code_digests import Sources
from avsc.cells import Cell
from avsc.executors.local import Executor as Local
from avsc.params.executors import Executor
from avsc.params.experiments import Experiment
from avsc.params.study import Study
from avsc.params.study import cells as blocks_of

BARE_BYTES = 5 * 10**8  # of a process that has loaded torch


def main(name: str) -> None:
    study, out = params.read(Study, f"study.{name}"), Path("data/studies") / name
    blocks = blocks_of(study, params.load(f"train.{study.base}", Experiment))
    sources = Sources()

    def code(head: str) -> str:
        return sources.digest(["avsc/experiment.py", f"avsc/heads/{head}.py"])

    with cells.keys(code, finished.WORK / out / "digests.json") as key:
        plan = cells.planned(study, blocks, key)
    own = {cell.name: cell for cell in plan}

    def make(keys: set[str], directory: Path) -> Iterator[Cell]:
        todo = cells.by_arrays(own[key] for key in keys)
        return shown(name, trained(todo, directory), kept=len(own) - len(todo), of=len(own))

    index = [{"cell": cell.row, "seed": cell.seed, "key": cell.name} for cell in plan]
    made = finished.fill(out, index, make)
    print(f"study {name}: {len(made)} trained, {len(own) - len(made)} kept")


def trained(todo: Sequence[Cell], directory: Path) -> Iterator[Cell]:
    """Train cells where params.yaml says, and yield each when its file is there."""
    execute = executors.create(params.load("executor", Executor))
    if not isinstance(execute, Local):
        return execute(todo, partial(cells.worker, directory))
    trainer, needed = cells.Trainer(directory), cells.read_bytes(todo)
    if processes.forked() and processes.room(needed) > 1:
        import_module("torch._dynamo")  # optimizers do, for a second, in each process
        needed = trainer.load(todo)
    return processes.side_by_side(trainer, todo, memory_bytes=BARE_BYTES + 2 * needed)


def shown(name: str, done: Iterable[Cell], *, kept: int, of: int) -> Iterator[Cell]:
    """Yield cells, and show how many are done and left and how long the rest will take."""
    form = "{desc}: {n_fmt} of {total_fmt} cells done{postfix}, {remaining} to go"
    with tqdm(total=of, initial=kept, desc=name, smoothing=0, bar_format=form) as bar:
        bar.set_postfix_str(f"{of - kept} left")
        for cell in done:
            bar.set_postfix_str(f"{of - bar.n - 1} left, last {cell}", refresh=False)
            bar.update()
            yield cell


if __name__ == "__main__":
    main(sys.argv[1])
