"""avsc submission: files as the DCASE challenge wants them."""

from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from avsc.cli.examples import taught
from avsc.cli.telling import FAILED, USAGE, line, stop

app = typer.Typer(help="Submissions to DCASE 2021 task 1B.", no_args_is_help=True)


def check(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="a submission")],
    *,
    evaluation_set: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="folder whose csv names the items"),
    ] = None,
    items: Annotated[
        int | None,
        typer.Option(min=1, help="without a set: 0.wav to ITEMS-1.wav", show_default="72000"),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="scenes, split by commas", show_default="the ten of the task")
    ] = None,
    tolerance: Annotated[float, typer.Option(min=0, help="how far from 1 a row may sum")] = 0.011,
) -> None:
    """Check a submission: columns, items, sums, scenes, duplicates; every offender is listed.

    Exits with 0 if the file is in order, with 1 if it is not.
    """
    from avsc.artifacts import submission
    from avsc.datasets import evaluation_set as sets

    if items and evaluation_set:
        stop("--items and --evaluation-set both say which items there are; give one", code=USAGE)
    try:
        names = (
            sets.names(evaluation_set)
            if evaluation_set
            else submission.official_names(items or submission.ITEMS)
        )
    except (ValueError, FileNotFoundError) as error:
        stop(error, code=USAGE)
    scenes = classes.split(",") if classes else submission.SCENES
    found = submission.check(file, names=names, scenes=scenes, tolerance=tolerance)
    for kind, group in groupby(sorted(found, key=lambda o: o[0]), key=lambda o: o[0]):
        offenders = list(group)
        typer.echo(f"{kind} ({len(offenders)}):")
        for _, where in offenders:
            typer.echo(f"  {line(where)}")
    if found:
        typer.echo(f"{line(file)}: {len(found)} offenders")
        raise typer.Exit(FAILED)
    typer.echo(f"{line(file)}: in order, {len(names)} items, {len(scenes)} scenes")


taught(
    app,
    check,
    "avsc submission check submission.csv",
    "avsc submission check submission.csv --evaluation-set data/raw/tau2021-evaluation",
    "avsc submission check small.csv --items 20 --classes bus,park,tram",
)
