"""avsc results: the scores of this tree as Markdown tables."""

from pathlib import Path
from typing import Annotated, Any

import typer

from avsc.artifacts.results import read_json
from avsc.reporting import leaderboard


def results(
    *,
    metrics: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="folder of JSON files")
    ] = Path("metrics"),
    update: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="page to put the tables into"),
    ] = None,
) -> None:
    """Show the results of this tree as Markdown tables, the best system first."""
    try:
        tables = leaderboard.markdown(read_metrics(metrics))
        page = leaderboard.replaced(update.read_text("utf-8"), tables) if update else ""
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    if update:
        update.write_text(page, "utf-8")
    else:
        typer.echo(tables)


def read_metrics(directory: Path) -> dict[str, Any]:
    """Return {name: content} of the JSON files of systems and stages, by path without ending.

    Raises:
        ValueError: if a file is no JSON.
    """
    paths = sorted([*directory.glob("*.json"), *directory.glob("pretrain/*.json")])
    return {p.relative_to(directory).with_suffix("").as_posix(): read_json(p) for p in paths}
