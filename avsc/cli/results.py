"""avsc results: the scores of this tree as Markdown tables."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from avsc import params
from avsc.artifacts.results import read_json, read_table
from avsc.artifacts.whole import NotWrittenError
from avsc.cli.outputs import written
from avsc.cli.telling import say, stop
from avsc.reporting import leaderboard

TEXTS = ("data", "kind", "tagger")  # columns of tables that are no numbers
STAGES = ("decode", "pseudo_labels")  # stages of every profile


def results(
    *,
    metrics: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="folder of JSON files")
    ] = Path("metrics"),
    update: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="page to put the tables into"),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="compare with this commit, tag or branch")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(dir_okay=False, help="write the Markdown to this file")
    ] = None,
) -> None:
    """Show the results of the active profile as Markdown tables, the best system first.

    Files in metrics/ that another profile or another data set left behind are not shown. With
    --against, show each system's scores before and now, and the 95 % interval of the paired
    difference where DVC's cache or remote still has the predictions of that revision.
    """
    try:
        found = read_metrics(metrics)
        shown = of_profile(found, metrics.resolve().parent)
        if left := sorted(found.keys() - shown.keys()):
            say(f"not of the active profile, and left out: {', '.join(left)}")
        tables = compared(shown, against) if against else leaderboard.markdown(shown)
        page = leaderboard.replaced(update.read_text("utf-8"), tables) if update else ""
        for target, text in ((update, page), (output, f"{tables}\n")):
            if target:
                with written(target) as path:
                    path.write_text(text, "utf-8")
        if not (update or output):
            typer.echo(tables)
    except (KeyError, ValueError, NotWrittenError) as error:
        stop(error)


def compared(now: Mapping[str, Any], rev: str) -> str:
    """Return the scores of this tree beside those of a revision, as a Markdown table."""
    from avsc.cli import against  # imports torch

    with against.metrics_at(rev) as before:
        return against.markdown(now, read_metrics(before), rev)


def read_metrics(directory: Path) -> dict[str, Any]:
    """Return {name: scores} of systems and stages, each with the name of its data set.

    Raises:
        ValueError: if a file is damaged.
    """
    found: dict[str, Any] = {}
    for path in sorted(directory.glob("*.json")):
        scores, table = read_json(path), path.with_suffix("") / "scores.csv"
        known = isinstance(scores, Mapping) and table.is_file()
        found[path.stem] = {"data": read_table(table)[0]["data"], **scores} if known else scores
    for path in sorted([*directory.glob("decode.csv"), *directory.glob("pretrain/*.csv")]):
        name = path.relative_to(directory).with_suffix("").as_posix()
        found[name] = _numbers(path)[0]
    if (path := directory / "pseudo_labels.csv").is_file():
        rows = _numbers(path)
        found["pseudo_labels"] = {"data": rows[0]["data"]} | {r["kind"]: r for r in rows}
    return found


def _numbers(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table with numbers as such; empty cells are left out."""
    rows = [{k: v for k, v in row.items() if v != ""} for row in read_table(path)]
    try:
        return [{k: v if k in TEXTS else float(v) for k, v in row.items()} for row in rows]
    except ValueError as error:
        raise ValueError(f"{path}: {error}; delete it and run `dvc repro`") from error


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
