"""avsc report: the page that shows it all."""

import os
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from avsc.cli.telling import line, stop

PAGE = Path("reports/index.html")


def report(
    *,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="run `dvc repro report` first")
    ] = False,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="open it in a browser, or only say where it is")
    ] = True,
) -> None:
    """Open the report page, reports/index.html, in a browser.

    The page holds scores with intervals, confusion matrices, studies and a clip browser. It needs
    no network.
    """
    if rebuild:
        _rebuild()
    if not PAGE.is_file():
        stop(f"{PAGE} is not there; `avsc report --rebuild` makes it (at the project's root)")
    page = PAGE.resolve()
    typer.echo(line(page))
    if show and not webbrowser.open(page.as_uri()):
        stop(f"no browser to open {page.as_uri()} with; open it yourself")


def _rebuild() -> None:
    # stages call `python`: the one that runs this command must be the first that they find
    first = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "report"], env=os.environ | {"PATH": first}
    )
    if done.returncode:
        stop(f"`dvc repro report` failed ({done.returncode}); see above", code=done.returncode)
