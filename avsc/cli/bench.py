"""avsc bench: the benchmarks of bench/."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from avsc.cli.telling import stop

FOLDER = Path("bench")


def benchmarks() -> dict[str, str]:
    """Return what each benchmark measures, by name."""
    files = sorted(p for p in FOLDER.glob("*.py") if not p.name.startswith("_"))
    return {path.stem: _about(path) for path in files}


def _about(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]


def _complete(incomplete: str) -> list[str]:
    return [name for name in benchmarks() if name.startswith(incomplete)]


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(autocompletion=_complete, help="files of bench/; all where none is named"),
    ] = None,
    *,
    only_list: Annotated[bool, typer.Option("--list", help="say what there is")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="show the form: too little work")] = False,
) -> None:
    """Run the benchmarks of bench/ on this machine, one after the other.

    Each prints a table with ours and what it is measured against side by side. Each runs in a
    process of its own. Nothing else should run meanwhile. `make bench` writes docs/benchmarks.md.
    """
    found = benchmarks()
    if not found:
        stop("no benchmark here: run this where bench/ is, at the root of the project")
    if unknown := [name for name in names or () if name not in found]:
        stop(f"no benchmark {', '.join(unknown)}; there are: {', '.join(found)}", code=2)
    if only_list:
        for name, about in found.items():
            typer.echo(f"{name:20} {about}")
        return
    failed = [name for name in names or found if not _ran(name, found[name], quick=quick)]
    if failed:
        stop(f"{len(failed)} of {len(names or found)} benchmarks failed: {', '.join(failed)}")


def _ran(name: str, about: str, *, quick: bool) -> bool:
    typer.echo(f"{name}: {about}")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(_search_path())}
    command = [sys.executable, "-m", f"bench.{name}", *(["--quick"] if quick else [])]
    done = subprocess.run(command, env=environment)
    typer.echo()
    return done.returncode == 0


def _search_path() -> list[str]:
    return [str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
