"""avsc data check: is the data set whole?"""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from avsc.cli.cache_check import check_cache
from avsc.cli.telling import FAILED, USAGE, line, stop


def check(
    *,
    project: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="where params.yaml is")
    ] = Path(),
    root: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="of the data set", show_default="index.root"),
    ] = None,
    cache: Annotated[
        bool, typer.Option("--cache", help="check outputs of stages and DVC's cache instead")
    ] = False,
    heal: Annotated[
        bool, typer.Option("--heal", help="with --cache: remove damaged files that a stage makes")
    ] = False,
) -> None:
    """Check the data set of params.yaml as `dvc repro` would, and say all that is wrong at once.

    The csv files are validated, every file that they name must be there, and each is opened: sounds
    are read in full, of pictures the first is decoded.

    With --cache, every output of a stage and every object in DVC's cache is read and compared with
    its digest instead. --heal removes damaged ones from both, so that `dvc repro` makes them again.

    Exits with 0 if all is whole or healed, with 1 if it is not.
    """
    if heal and not cache:
        stop("--heal needs --cache; a data set is healed by fetching it again", code=USAGE)
    if cache:
        check_cache(project, heal=heal)
        return
    from avsc import params
    from avsc.datasets import tau
    from avsc.datasets.offenders import REMEDY

    try:
        p = params.load("index", root=project)
        seed, seconds = (params.load(key, root=project) for key in ("seed", "decode.seconds"))
    except (FileNotFoundError, KeyError, ValueError) as error:
        stop(error, code=USAGE)
    folder = root or project / p.pop("root")
    options = {k: v for k, v in p.items() if k not in ("root", "watch")}
    wrong = 0
    try:
        tau.index(folder, seed=seed, **options)
    except tau.DatasetError as error:
        for kind, offenders in error.offenders.items():
            typer.echo(f"{kind} ({len(offenders)}): {REMEDY[kind]}")
            for offender in offenders:
                typer.echo(f"  {line(offender)}")
            wrong += len(offenders)
    except (ValueError, TypeError) as error:  # of the parameters
        stop(error, code=USAGE)
    damaged, clips = _media(folder, options, seconds)
    if wrong or damaged:
        typer.echo(f"{line(folder)}: {wrong} faults of the listing, {damaged} damaged files")
        raise typer.Exit(FAILED)
    typer.echo(f"{line(folder)}: whole, {clips} clips")


def _media(folder: Path, options: dict[str, Any], seconds: int | None) -> tuple[int, int]:
    """Open every clip under a bar; return the number of damaged files and of clips."""
    from tqdm import tqdm

    from avsc import checking

    where = {k: v for k, v in options.items() if k in ("fold", "columns")}
    pairs = checking.listed(folder, **where)
    found: list[str] = []
    work = checking.damages(pairs, seconds=seconds, threads=os.cpu_count() or 1)
    for _, causes in tqdm(work, total=len(pairs), desc="open", unit="clip", disable=None):
        found += causes
    if found:
        typer.echo(
            f"damaged files ({len(found)}): delete them and fetch again, or see what each line says"
        )
        for cause in found:
            typer.echo(f"  {line(cause)}")
    return len(found), len(pairs)
