"""avsc params: profiles, and whether the parameters are right."""

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from avsc import spelling
from avsc.cli.examples import taught
from avsc.cli.telling import FAILED, USAGE, line, say, stop

app = typer.Typer(help="Profiles: the folders of params/.", no_args_is_help=True)
FILES = ("params.yaml", "studies.yaml")
PROFILES = Path("params")
USED = Path(".avsc/profile")  # the profile as it was when it became the active one, and its name
REPLACED = Path(".avsc/replaced")
SEED = 2021  # of the validation locations, as in every profile
SHOWN = 40  # lines of a difference
NONE = "none: run this where params/ is, at the root of the project"

Texts = dict[str, bytes]  # by file name; files that are missing are left out


def profiles() -> dict[str, Path]:
    """Return the profiles there are, by name."""
    return {path.parent.name: path.parent for path in sorted(PROFILES.glob("*/params.yaml"))}


def active() -> str | None:
    """Return the profile that the active files equal, or came from; None if it is unknown."""
    here = _texts(Path())
    same = next((name for name, path in profiles().items() if _texts(path) == here), None)
    return same or _used()


def _used() -> str | None:
    """Return the name of the profile that was chosen last, if it is still there."""
    file = USED / "name"
    name = file.read_text("utf-8").strip() if file.is_file() else None
    return name if name in profiles() else None


def _texts(folder: Path) -> Texts:
    return {n: (folder / n).read_bytes() for n in FILES if (folder / n).is_file()}


def _write(folder: Path, texts: Texts) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if name not in texts:
            (folder / name).unlink(missing_ok=True)
            continue
        partial = folder / f"{name}.partial"
        partial.write_bytes(texts[name])
        partial.replace(folder / name)


def _complete(incomplete: str) -> list[str]:
    return [name for name in profiles() if name.startswith(incomplete)]


def list_() -> None:
    """List the profiles, the active one with a star."""
    found, now, here = profiles(), active(), _texts(Path())
    if not found:
        stop(NONE)
    for name, path in found.items():
        edited = ", edited" if name == now and _texts(path) != here else ""
        typer.echo(f"{'*' if name == now else ' '} {line(name):12} {line(_about(path))}{edited}")
    if now is None:
        typer.echo("params.yaml and studies.yaml come from none of them")


def use(
    profile: Annotated[str, typer.Argument(autocompletion=_complete, help="a folder of params/")],
    *,
    keep_as: Annotated[
        str | None,
        typer.Option(help="save the active files as a new profile of this name first"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="put edits of the active files aside, in .avsc/replaced")
    ] = False,
) -> None:
    """Make a profile the active one: copy params/PROFILE/ over params.yaml and studies.yaml.

    Active files with edits that no profile has are replaced only after they were saved.
    """
    found = profiles()
    if profile not in found:
        _unknown(profile, found)
    here, wanted = _texts(Path()), _texts(found[profile])
    if keep_as is not None:
        _keep(keep_as, here)
    elif here != wanted and _edited(here):
        if not force:
            _refuse(here, profile)
        place = _aside(here)
        typer.echo(f"the edited files are in {place}")
    _write(Path(), wanted)
    _write(USED, wanted)
    (USED / "name").write_text(f"{profile}\n", "utf-8")
    typer.echo(f"{' and '.join(wanted)} are now {found[profile]}; run `dvc repro`")


def _unknown(name: str, found: Mapping[str, Path]) -> NoReturn:
    near = spelling.nearest(name, found)
    there = ", ".join(found) or NONE
    stop(f"no profile {name!r}; there are: {there}" + (near and f"; {near}"), code=USAGE)


def _edited(here: Texts) -> bool:
    """Return whether the active files hold edits that no profile has."""
    known = [_texts(path) for path in profiles().values()]
    if USED.is_dir():
        known.append(_texts(USED))
    return bool(here) and here not in known


def _keep(name: str, here: Texts) -> None:
    if not here:
        stop("there are no active files to keep", code=USAGE)
    if name in profiles() or Path(name).name != name or (PROFILES / name).exists():
        stop(f"cannot keep the files as params/{name}: expected a new name", code=USAGE)
    _write(PROFILES / name, here)
    typer.echo(f"saved as {PROFILES / name}")


def _refuse(here: Texts, wanted: str) -> None:
    """Show what would be lost, and say how to keep it."""
    origin = _used()
    base = _texts(PROFILES / origin) if origin else {}
    rows = list(_difference(base, here, origin or "nothing"))
    for row in rows[:SHOWN]:
        typer.echo(line(row) if row.strip() else "", err=True)
    if len(rows) > SHOWN:
        typer.echo(f"... and {len(rows) - SHOWN} lines more", err=True)
    new = next(n for n in _names() if n not in profiles())
    moved = origin is not None and USED.is_dir() and _texts(USED) != base
    also = f"; params/{origin} was edited, too, since it became the active profile" if moved else ""
    stop(
        f"params.yaml or studies.yaml has edits that no profile has (above){also}\n"
        f"keep them as a profile of their own: avsc params use {wanted} --keep-as {new}\n"
        f"or put them aside: avsc params use {wanted} --force"
    )


def _names() -> Iterator[str]:
    yield "mine"
    yield from (f"mine{k}" for k in range(2, 1000))


def _difference(base: Texts, here: Texts, origin: str) -> Iterator[str]:
    for name in FILES:
        old, new = (texts.get(name, b"").decode("utf-8", "replace") for texts in (base, here))
        yield from difflib.unified_diff(
            old.splitlines(), new.splitlines(), f"params/{origin}/{name}", name, lineterm="", n=1
        )


def _aside(here: Texts) -> Path:
    place = next(p for k in range(1, 10**6) if not (p := REPLACED / f"{k:03d}").exists())
    _write(place, here)
    return place


def check(
    profile: Annotated[
        str | None,
        typer.Argument(
            autocompletion=_complete, help="a folder of params/; without, the active one"
        ),
    ] = None,
) -> None:
    """Check params.yaml and studies.yaml, and list every fault with file, line and key.

    Exits with 0 if there is none, with 1 if there are some.
    """
    from avsc.params import ParamsError
    from avsc.params import profile as whole

    found = profiles()
    if profile is not None and profile not in found:
        _unknown(profile, found)
    folder = Path() if profile is None else found[profile]
    try:
        faults = whole.check(folder)
    except ParamsError as error:
        faults = str(error).splitlines()
    except FileNotFoundError as error:
        stop(error, code=USAGE)
    for fault in faults:
        typer.echo(line(fault))
    if faults:
        many = f"{len(faults)} faults" if len(faults) > 1 else "1 fault"
        typer.echo(f"{many}; see CONTRIBUTING.md and the files of params/", err=True)
        raise typer.Exit(FAILED)
    typer.echo("params.yaml and studies.yaml: no fault")


def new(
    root: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="of the data set")],
    *,
    name: Annotated[
        str | None, typer.Option(help="of the profile", show_default="the folder's")
    ] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="take networks from the hub, not random ones")
    ] = False,
) -> None:
    """Look at a data set and write a small profile that runs on it, params/NAME/.

    The data set has csv files as TAU has them (docs/your-data.md). Some of its files are
    opened. The profile has three encoders, four experiments and an ensemble, with comments.
    """
    from avsc import new_profile
    from avsc.params import profile as whole

    name = name or re.sub(r"[^A-Za-z0-9_-]+", "_", root.resolve().name)
    if (PROFILES / name).exists() or Path(name).name != name:
        stop(f"params/{name} cannot be written; give another --name", code=USAGE)
    try:
        found = new_profile.survey(root, seed=SEED)
    except (ValueError, OSError) as error:
        stop(error)
    for note in found.notes:
        say(note)
    params = new_profile.text(found, root.resolve().name, pretrained=pretrained)
    _write(PROFILES / name, {FILES[0]: params.encode(), FILES[1]: b"study: {}\n"})
    if faults := whole.check(PROFILES / name):
        stop("\n".join(faults))
    typer.echo(f"{PROFILES / name} is written; read it, then: avsc params use {name} && dvc repro")


def _about(path: Path) -> str:
    """Return what the comment at the top of a profile says of it, up to the first stop."""
    lines = (path / "params.yaml").read_text("utf-8").splitlines()
    first = lines[0].removeprefix("#").strip() if lines and lines[0].startswith("#") else ""
    return first.partition(": ")[0].partition(". ")[0]


list_.__name__ = "list"
taught(app, list_, "avsc params list")
taught(
    app,
    new,
    "avsc params new data/raw/mine",
    "avsc params new data/raw/mine --pretrained --name mine_large",
)
taught(app, check, "avsc params check", "avsc params check tau2021")
taught(
    app,
    use,
    "avsc params use tau2021",
    "avsc params use demo --keep-as mine   # save the active files as params/mine first",
)
