"""Executors: where shards and cells are made, a choice of the machine.

A file of this room is an executor. It defines `Executor(**its keys of the params)`, which is called
with jobs and with what opens a worker. It may not change what comes out, so it is no parameter of
any output. A file whose name starts with an underscore belongs to another and is none itself.
"""

import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from avsc import spelling

Worker = Callable[[Iterable[Any]], Iterator[Any]]


@runtime_checkable
class Job(Protocol):
    """What an executor knows of a job; messages show it as text."""

    @property
    def name(self) -> str:
        """No other job has it."""
        ...


@runtime_checkable
class Executor(Protocol):
    """What each file here defines under the name `Executor`."""

    def __call__(self, jobs: Sequence[Job], worker: Callable[[], Worker]) -> Iterator[Any]:
        """Yield what workers yield for the jobs, each result once.

        Args:
            jobs: in any order, each one is made by one worker.
            worker: opens a worker; is called in each process that makes jobs, once. A job that a
                worker has begun and another one makes again gives the same results in the same
                order.
        """
        ...


def names() -> list[str]:
    """Return the names of all executors; none is imported."""
    files = (m.name for m in pkgutil.iter_modules(__path__))
    return sorted(n for n in files if not n.startswith("_"))


def create(block: str | Mapping[str, Any] | None) -> Executor:
    """Return the executor that params.yaml asks for: a name, or `name` among its other keys.

    Raises:
        ModuleNotFoundError: if it needs a package that is not installed.
        ValueError: if there is no such executor, or it has no such key.
    """
    own = {"name": block} if isinstance(block, str | None) else dict(block)
    name = own.pop("name", None)
    if name not in names():
        raise ValueError(f"executor is {name!r}, {spelling.expected(name, names())}")
    try:
        kind = import_module(f"{__name__}.{name}").Executor
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"executor is {name}, but {name.title()} is not installed: pip install avsc[{name}]"
        ) from error
    known = list(inspect.signature(kind).parameters)
    if unknown := sorted(map(str, set(own) - set(known))):
        raise ValueError(
            f"executor {name} has no {', '.join(unknown)}; it has {', '.join(known) or 'no keys'}"
        )
    made: Executor = kind(**own)
    return made
