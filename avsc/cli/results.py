"""avsc results: the scores of this tree as Markdown tables."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from avsc import params
from avsc.artifacts.results import read_json
from avsc.artifacts.whole import NotWrittenError
from avsc.cli.outputs import written
from avsc.cli.telling import say, stop
from avsc.reporting import leaderboard

STAGES = ("decode", "pseudo_labels")  # of which every profile has one


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
    """Show the results of the active profile as Markdown tables, the best system first.

    Files in metrics/ that another profile or another data set left behind are not shown.
    """
    try:
        found = read_metrics(metrics)
        shown = of_profile(found, metrics.resolve().parent)
        if left := sorted(found.keys() - shown.keys()):
            say(f"not of the active profile, and left out: {', '.join(left)}")
        tables = leaderboard.markdown(shown)
        page = leaderboard.replaced(update.read_text("utf-8"), tables) if update else ""
        if update:
            with written(update) as path:
                path.write_text(page, "utf-8")
        else:
            typer.echo(tables)
    except (KeyError, ValueError, NotWrittenError) as error:
        stop(error)


def read_metrics(directory: Path) -> dict[str, Any]:
    """Return {name: content} of the JSON files of systems and stages, by path without ending.

    Raises:
        ValueError: if a file is no JSON.
    """
    paths = sorted([*directory.glob("*.json"), *directory.glob("pretrain/*.json")])
    return {p.relative_to(directory).with_suffix("").as_posix(): read_json(p) for p in paths}


def of_profile(found: Mapping[str, Any], profile: Path) -> dict[str, Any]:
    """Return the metrics of what the profile in a folder names; all if there is none."""
    if not (profile / "params.yaml").is_file():
        return dict(found)
    named, data = set(_named(profile)), params.load("data", root=profile)
    return {
        name: m
        for name, m in found.items()
        if name in named and (not isinstance(m, Mapping) or m.get("data", data) == data)
    }


def _named(profile: Path) -> Iterator[str]:
    yield from STAGES
    for section in ("train", "ensemble"):
        yield from params.names(section, root=profile)
    yield from (f"pretrain/{name}" for name in params.names("pretrain", root=profile))
