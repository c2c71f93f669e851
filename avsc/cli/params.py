"""avsc params: which profile of params/ is the active one."""

from pathlib import Path
from typing import Annotated

import typer

from avsc import spelling
from avsc.cli.examples import taught
from avsc.cli.telling import line, stop

app = typer.Typer(help="Profiles: the files of params/.", no_args_is_help=True)
ACTIVE, PROFILES = Path("params.yaml"), Path("params")


def profiles() -> dict[str, Path]:
    """Return the profiles there are, by name."""
    return {path.stem: path for path in sorted(PROFILES.glob("*.yaml"))}


def active() -> str | None:
    """Return the profile that params.yaml is, None where it is none of them."""
    here = ACTIVE.read_bytes() if ACTIVE.is_file() else None
    return next((n for n, path in profiles().items() if path.read_bytes() == here), None)


def _complete(incomplete: str) -> list[str]:
    return [name for name in profiles() if name.startswith(incomplete)]


def list_() -> None:
    """List the profiles, the active one with a star."""
    if not profiles():
        stop(_NONE)
    now = active()
    for name, path in profiles().items():
        typer.echo(f"{'*' if name == now else ' '} {line(name):12} {line(_about(path))}")
    if now is None:
        typer.echo(f"{ACTIVE} is none of them: it has edits of its own, or is not there")


def use(
    profile: Annotated[
        str, typer.Argument(autocompletion=_complete, help="a file of params/, without .yaml")
    ],
    *,
    force: Annotated[bool, typer.Option("--force", help="overwrite edits of params.yaml")] = False,
) -> None:
    """Make a profile the active one: copy params/PROFILE.yaml over params.yaml.

    A params.yaml that equals no profile has edits of its own, and is overwritten by --force alone.
    """
    found = profiles()
    if profile not in found:
        there = ", ".join(found) or _NONE
        near = spelling.nearest(profile, found)
        stop(f"no profile {profile!r}; there are: {there}" + (near and f"; {near}"), code=2)
    if ACTIVE.is_file() and active() is None and not force:
        stop(
            f"{ACTIVE} has edits that no profile has; keep them (cp params.yaml params/mine.yaml), "
            "or overwrite them with --force"
        )
    partial = ACTIVE.with_name(f"{ACTIVE.name}.partial")
    partial.write_bytes(found[profile].read_bytes())
    partial.replace(ACTIVE)
    typer.echo(f"{ACTIVE} is now {found[profile]}; `dvc repro` brings its results up to date")


_NONE = "none: run this where params/ is, at the root of the project"


def _about(path: Path) -> str:
    """Return what the comment at the top of a profile says of it, up to the first stop."""
    lines = path.read_text("utf-8").splitlines()
    first = lines[0].removeprefix("#").strip() if lines and lines[0].startswith("#") else ""
    return first.partition(": ")[0].partition(". ")[0]


list_.__name__ = "list"
taught(app, list_, "avsc params list")
taught(
    app,
    use,
    "avsc params use tau2021",
    "avsc params use demo --force     # forget the edits of params.yaml",
)
