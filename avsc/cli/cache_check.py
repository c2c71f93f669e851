"""avsc data check --cache: are outputs and DVC's cache as recorded?"""

import os
from pathlib import Path

import typer

from avsc.cli.telling import FAILED, line, say, stop


def check_cache(project: Path, *, heal: bool) -> None:
    """Compare outputs and cache with their digests, under a bar of bytes, and list what is damaged.

    Args:
        project: root of the DVC repository.
        heal: whether to remove what a stage makes again.

    Raises:
        typer.Exit: if anything is damaged and stays.
    """
    from dvc.exceptions import DvcException
    from tqdm import tqdm

    from avsc.artifacts import recorded

    os.chdir(project)
    try:
        files = recorded.found()
    except DvcException as error:
        stop(error)
    total, left, removed = sum(f.path.stat().st_size for f in files), 0, 0
    with tqdm(total=total, desc="read", unit="B", unit_scale=True, disable=None) as bar:
        for size, findings in recorded.checked(files):
            for finding in findings:
                typer.echo(line(f"{finding.path}: {finding.cause}"))
                for path in finding.remove if heal else ():
                    path.unlink(missing_ok=True)
                removed += heal and bool(finding.remove)
                left += not (heal and finding.remove)
            bar.update(size)
    typer.echo(f"{len(files)} files, {removed + left} damaged, {removed} removed")
    if removed:
        say("run `dvc repro`, which makes them again")
    if left:
        if not heal:
            say("run `avsc data check --cache --heal` to remove them, then `dvc repro`")
        raise typer.Exit(FAILED)
