"""Tables of a benchmark, facts of the machine, and the command line of each file."""

import argparse
import importlib
import os
import pkgutil
import platform
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch

import bench
from avsc.device import device
from avsc.threads import cores
from bench import _page
from bench._turns import Row


def names() -> list[str]:
    """Return the names of all benchmarks; none is imported."""
    files = (m.name for m in pkgutil.iter_modules(bench.__path__) if not m.ispkg)
    return sorted(n for n in files if not n.startswith("_"))


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as an aligned Markdown table, without columns that hold no value."""
    columns = [c for c in rows[0] if any(row[c] not in (None, "") for row in rows)]
    heads = [c.removesuffix("_s") for c in columns]
    lines = [heads, *([_cell(c, row[c]) for c in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = [
        f"{'-' * (w - 1)}{':' if _counts(rows, c) else '-'}"
        for c, w in zip(columns, widths, strict=True)
    ]
    laid = [
        [
            cell.rjust(w) if _counts(rows, c) else cell.ljust(w)
            for c, cell, w in zip(columns, line, widths, strict=True)
        ]
        for line in (lines[0], *lines[1:])
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in (laid[0], rule, *laid[1:]))


def _counts(rows: Sequence[Row], column: str) -> bool:
    return any(isinstance(row[column], float | int) for row in rows)


def _cell(column: str, value: str | float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if column.endswith("_s"):
        return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms"
    if column == "ratio":
        return f"{value:.1f}" if value < 100 else f"{value:.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine() -> dict[str, str]:
    """Return what a reader must know of this machine to judge the numbers."""
    return {
        "CPU": _cpu(),
        "cores": str(cores()),
        "AMX": "yes" if has_amx() else "no",
        "load when it began": f"{os.getloadavg()[0]:.1f}",
        "device": torch.cuda.get_device_name() if device() == "cuda" else device(),
        "torch": f"{torch.__version__}, {torch.get_num_threads()} threads",
        "Python": platform.python_version(),
    }


def has_amx() -> bool:
    """Return whether the CPU multiplies tiles of bf16."""
    return bool(torch.cpu._is_amx_tile_supported())


def without_openvino(precision: str = "float32") -> str:
    """Return why OpenVINO cannot compute in a precision here, empty if it can."""
    if find_spec("openvino") is None:
        return "not installed"
    if device() != "cpu":
        return "not on a GPU"
    from avsc.openvino import knows_bfloat16

    return "" if precision == "float32" or knows_bfloat16() else "no bf16"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor() or platform.machine()


def run(
    modules: Sequence[ModuleType], *, quick: bool, output: Path | None, kept: bool = False
) -> None:
    """Run benchmarks one after the other; print each table, and write the page, when it is there.

    Args:
        modules: files of bench/.
        quick: whether to do too little work for numbers that mean something.
        output: the page, as Markdown; None writes none.
        kept: whether other sections of the page stay as they are.
    """
    facts = machine()
    page, sections = _page.top(facts, quick=quick), {}
    print(page)  # noqa: T201
    if kept and output and output.is_file():
        page = output.read_text("utf-8")
    for module in modules:
        about, _, more = (module.__doc__ or "").partition("\n")
        start = time.monotonic()
        table = markdown(module.results(quick=quick))
        print(f"{about} ({time.monotonic() - start:.0f} s)\n{table}\n", flush=True)  # noqa: T201
        sections[about] = "\n\n".join(filter(None, [more.strip(), table]))
        if output:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(_page.merged(page, sections, facts), "utf-8")


def main(name: str = "") -> None:
    """Run one benchmark, or all, as the command line asks.

    Args:
        name: of the file; empty lets the command line name some, or takes all.
    """
    parser = argparse.ArgumentParser(description=bench.__doc__)
    parser.add_argument("--quick", action="store_true", help="small work, to see that it runs")
    parser.add_argument("--output", type=Path, help="page of the tables, as Markdown")
    if not name:
        parser.add_argument("names", nargs="*", choices=[*names(), []], help="default: all")
    asked = parser.parse_args()
    chosen = [name] if name else asked.names or names()
    modules = [importlib.import_module(f"bench.{n}") for n in chosen]
    some = len(chosen) < len(names()) and not asked.quick
    run(modules, quick=asked.quick, output=asked.output, kept=some)
