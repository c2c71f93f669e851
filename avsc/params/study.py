"""Blocks of studies.yaml: tables of papers, a cell for each row or each combination of a grid."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import product
from typing import Annotated, Any, Literal

from avsc.params.checks import Entry, Labels, Name, PlugIn, Tree, section
from avsc.params.experiments import Experiment
from avsc.params.fields import Fault, Parser
from avsc.params.inputs import Source, parts_of
from avsc.params.yaml_file import At

Change = Mapping[str, Any]  # keys of an experiment; `hparams` and `fit` key by key
MERGED = ("hparams", "fit")
KEYS = tuple(f.name for f in fields(Experiment))


@dataclass(frozen=True)
class Published:
    """A paper's scores of a cell; null: not known here."""

    protocol: Literal["segment", "clip", "clip micro"]
    log_loss: Annotated[float, "x >= 0"] | None = None
    accuracy: Annotated[float, "0 <= x <= 100", "%"] | None = None


@dataclass(frozen=True)
class Row:
    """A cell of a study.

    Attributes:
        set: what differs from the base.
        published: a paper's scores.
        label: how tables call it; without one, by its key.
    """

    set: Change = field(default_factory=dict)
    published: Published | None = None
    label: str | None = None


def _new_study(_: Mapping[str, Any]) -> str:
    """Return the lines that replace `encoders` and a block as `base` of earlier versions."""
    return (
        "no such key any more; write `base: <experiment>`, `head: <its head>`, `labels: none` and "
        "`inputs: <entry or bundle>`, which holds all that the cells read"
    )


@dataclass(frozen=True)
class Study:
    """A table of a paper: a base experiment with changes, once for each seed.

    Attributes:
        base: an entry of `train`.
        head: a file of avsc/heads/, of the cells that set no other.
        inputs: one entry that holds all that the cells read.
        labels: pseudo-labels that some cell reads, or none.
        seeds: of every cell.
        set: what every cell differs in from the base.
        rows: {name: cell}.
        grid: a cell for each combination of its axes. An axis is a key of an experiment with a list
            of values, such as `fit: {lr: [0.1, 0.01]}`, or any other word with named changes.
        published: {cell of the grid: a paper's scores}.
    """

    MOVED = {"encoders": _new_study}  # noqa: RUF012

    base: Annotated[str, Entry(("train",))]
    head: Annotated[str, PlugIn("heads")]
    inputs: Source
    labels: Labels
    seeds: tuple[int, ...]
    set: Change = field(default_factory=dict)
    rows: Mapping[Name, Row] | None = None
    grid: Mapping[Name, Any] | None = None
    published: Mapping[str, Published] = field(default_factory=dict)

    def faults(self, _: str, tree: Tree) -> list[Fault]:
        """Return what is wrong with the seeds, and cells that cannot be trained."""
        found: list[Fault] = []
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            text = f"expected a list of different numbers, got {list(self.seeds)}"
            found.append(Fault(("seeds",), text))
        if (self.rows is None) == (self.grid is None):
            text = (
                "has both rows and grid; expected one of them"
                if self.rows
                else "has no cells; give rows or grid"
            )
            return [*found, Fault(("grid",) if self.rows else (), text)]
        base = section(tree, "train").get(self.base)
        if not isinstance(base, dict):
            return found
        return [*found, *self._cell_faults(base, tree)]

    def _cell_faults(self, base: Mapping[str, Any], tree: Tree) -> Iterator[Fault]:
        try:
            changed = list(changes(self))
        except ValueError as error:
            yield Fault(("grid",), str(error))
            return
        known = {label for label, _, _ in changed}
        seen: dict[str, dict[str, Any]] = {}
        for cell in self.published:
            if cell not in known:
                yield Fault(("published", cell), f"no such cell; there are {', '.join(known)}")
        for label, at, change in changed:
            block = block_of(self, base, change)
            where = "" if self.rows else f"cell {label!r}: "
            parser = Parser(tree)
            made = parser.parse(Experiment, block, ())
            for fault in parser.faults:
                key = ".".join(map(str, fault.at))
                own = (
                    at
                    if self.rows is None or not _has(change, fault.at)
                    else (*at, "set", *fault.at)
                )
                text = fault.text if own[-len(fault.at) :] == fault.at else f"{key}: {fault.text}"
                yield Fault(own, f"{where}{text}")
            if not parser.faults:
                yield from (Fault(at, f"{where}{t}") for t in self._strangers(made, tree))
            same = next((name for name, other in seen.items() if other == block), None)
            if same is not None:
                yield Fault(at, f"{where}is the same experiment as {same!r}")
            seen[label] = block

    def _strangers(self, cell: Experiment, tree: Tree) -> Iterator[str]:
        if "bundle" in tree and cell.inputs not in parts_of(self.inputs, tree):
            yield f"inputs: {cell.inputs} is no part of {self.inputs}, which the study reads"
        if cell.labels not in ("none", self.labels):
            yield f"labels: {cell.labels}, but the study has labels: {self.labels}"


def _has(change: Change, at: At) -> bool:
    value: Any = change
    for key in at:
        inside: Any = range(len(value)) if isinstance(value, list) else value
        if not isinstance(value, dict | list) or key not in inside:
            return False
        value = value[key]  # type: ignore[index]
    return bool(at)


def cells(study: Study, base: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return {label: experiment block} of every cell, in order; `base` is the base's block."""
    return {label: block_of(study, base, change) for label, _, change in changes(study)}


def labels(study: Study) -> list[str]:
    """Return the labels of the cells, in order."""
    return [label for label, _, _ in changes(study)]


def block_of(study: Study, base: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """Return the experiment of a cell."""
    return merged(merged(merged(base, {"head": study.head}), study.set), change)


def heads(study: Study) -> list[str]:
    """Return the heads that the cells name."""
    found = {c.get("head", study.set.get("head", study.head)) for _, _, c in changes(study)}
    return sorted(found)


def published(study: Study) -> dict[str, Published]:
    """Return {label: a paper's scores} of the cells that have any."""
    if study.rows is None:
        return dict(study.published)
    rows = study.rows.items()
    return {row.label or name: row.published for name, row in rows if row.published}


def changes(study: Study) -> Iterator[tuple[str, At, Change]]:
    """Yield label, keys in the study and changes of every cell."""
    if study.rows is not None:
        for name, row in study.rows.items():
            yield row.label or name, ("rows", name), row.set
        return
    axes = list(_axes(study.grid or {}))
    for combined in product(*axes):
        change: dict[str, Any] = {}
        for _, part in combined:
            change = merged(change, part)
        yield ", ".join(label for label, _ in combined), ("grid",), change


def _axes(grid: Mapping[str, Any]) -> Iterator[list[tuple[str, Change]]]:
    for key, values in grid.items():
        if key in KEYS:
            yield from _values((key,), values)
        elif isinstance(values, dict) and all(isinstance(v, dict) for v in values.values()):
            yield [(str(label), change) for label, change in values.items()]
        else:
            raise ValueError(
                f"{key}: expected a list of values of a key of an experiment, or named changes"
            )


def _values(at: tuple[str, ...], values: Any) -> Iterator[list[tuple[str, Change]]]:
    if isinstance(values, dict):
        for key, inner in values.items():
            yield from _values((*at, key), inner)
    elif isinstance(values, list) and values:
        yield [(f"{at[-1]}={value}", _nested(at, value)) for value in values]
    else:
        raise ValueError(f"{'.'.join(at)}: expected a list of values, got {values!r}")


def _nested(at: tuple[str, ...], value: Any) -> Change:
    first, *rest = at
    return {first: _nested(tuple(rest), value) if rest else value}


def merged(base: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """Return an experiment's block with changes: `hparams` and `fit` key by key, others whole.

    With another head, `hparams` start from that head's defaults.
    """
    block = copy.deepcopy(dict(base))
    if change.get("head", block.get("head")) != block.get("head"):
        block.pop("hparams", None)
    for key, value in change.items():
        if key in MERGED and isinstance(value, dict) and isinstance(block.get(key, {}), dict):
            block[key] = block.get(key, {}) | copy.deepcopy(value)
        else:
            block[key] = copy.deepcopy(value)
    return block
