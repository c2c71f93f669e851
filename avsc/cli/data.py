"""avsc data: get the data set, and check that it is whole."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from avsc.cli.checking import check
from avsc.cli.examples import taught
from avsc.cli.telling import line, say, stop
from avsc.datasets import fetch as fetching
from avsc.datasets import sources

app = typer.Typer(help="The data set: get it, check it.", no_args_is_help=True)


FOLDERS = {"development": "tau2021", "evaluation": "tau2021-evaluation"}


def fetch(
    which: Annotated[
        str, typer.Argument(help="development or evaluation: a data set of the list", metavar="SET")
    ] = "development",
    *,
    to: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="folder of the data set", show_default="data/raw/..."),
    ] = None,
    archives: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="folder of the archives", show_default="<to>/archives"),
    ] = None,
    part: Annotated[
        list[str] | None, typer.Option(help="these archives alone: meta, audio.*; repeat for more")
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=16, help="archives at a time")] = 4,
    discard_archives: Annotated[
        bool, typer.Option("--discard-archives", help="delete each archive once it is unpacked")
    ] = False,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="accept the licence without being asked")
    ] = False,
    mirror: Annotated[
        str | None, typer.Option(help="folder of the archives on the web, or address with {name}")
    ] = None,
    list_file: Annotated[
        Path,
        typer.Option(
            "--sources",
            exists=True,
            dir_okay=False,
            help="list of archives, YAML",
            show_default="avsc/datasets/tau2021.yaml",
        ),
    ] = sources.TAU2021,
) -> None:
    """Download TAU Urban Audio-Visual Scenes 2021, check and unpack it.

    A fetch that was ended, or killed, goes on where it stopped when it is called again.
    """
    target = to or Path("data/raw") / FOLDERS.get(which, Path(which).name)
    store = archives or target / "archives"
    try:
        source = sources.chosen(sources.read(list_file, which, mirror=mirror), part or [])
        _agree(source, target, accepted=accept_licence)
        fetching.fetch(
            source,
            target,
            store,
            connections=connections,
            keep=not discard_archives,
            say=lambda text: tqdm.write(line(text), file=sys.stderr),
        )
    except (sources.SourceError, fetching.FetchError, OSError) as error:
        stop(error)
    except KeyboardInterrupt:
        say("error: interrupted; what came is kept, run again to continue")
        os._exit(130)  # an ordinary end waits a minute for a server that sends nothing
    typer.echo(line(f"{source.title}: all of it is in {target}"))


def _agree(source: sources.Source, target: Path, *, accepted: bool) -> None:
    """Show what is fetched and under which licence; end the command unless it is accepted."""
    known = sum(archive.md5 is not None for archive in source.archives)
    size = sum(archive.size or 0 for archive in source.archives) / 1e9
    say(f"{source.title}, https://doi.org/{source.doi}")
    say(f"{len(source.archives)} archives, {size:.2f} GB as listed, into {target}")
    if unknown := len(source.archives) - known:
        say(f"no md5 is known of {unknown} archives: they are checked by length and CRC-32 alone")
    say(f"licence: {source.licence}; read it before you use or share what comes of the data")
    if accepted:
        return
    try:
        typer.confirm("Do you accept the licence?", abort=True, err=True)
    except typer.Abort:
        typer.echo(err=True)  # ends the line of the question
        stop("the licence was not accepted; nothing was fetched. Call with --accept-licence")


taught(
    app,
    fetch,
    "avsc data fetch",
    "avsc data fetch --part meta --part 'audio.*'",
    "avsc data fetch --to /disk/tau2021 --discard-archives --accept-licence",
    "avsc data fetch evaluation",
)
taught(
    app,
    check,
    "avsc data check",
    "avsc data check --root /disk/tau2021",
    "avsc data check --cache",
    "avsc data check --cache --heal",
)
