"""avsc weights: files of data/weights/ out of what others publish."""

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avsc.cli.examples import taught
from avsc.cli.telling import USAGE, line, stop

if TYPE_CHECKING:  # loaded when a command runs, not for --help
    from torch import Tensor

INDEX = ("index", "id")  # columns of a csv of classes, such as AudioSet's class_labels_indices.csv
NAME = ("display_name", "name", "class", "label")
app = typer.Typer(help="Parameters of encoders, in files.", no_args_is_help=True)


@app.callback()
def weights() -> None:
    """Parameters of encoders, in files."""


def convert(
    source: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="a state dict: .pth, .pth.tar ...")
    ],
    target: Annotated[Path, typer.Argument(help="data/weights/<name>.safetensors")],
    *,
    classes: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="names, a line each, in order; or a csv with a column display_name, as AudioSet's",
        ),
    ] = None,
) -> None:
    """Write a state dict of torch as safetensors, with the names of its classes; print its sha256.

    Nothing that a pickle could run is run. A `state_dict` or `model` around it is opened, `module.`
    in front of names is dropped, and so is a number behind the name of a class (Places365's list).
    """
    from avsc.artifacts import weights as files

    if target.suffix != ".safetensors":
        stop(f"{target} is to be safetensors; name it <name>.safetensors", code=USAGE)
    try:
        state, stated = files.read(source)
        names = _names(classes) if classes else stated or []
        if classes:
            _check_count(names, state, classes)
        files.write(target, {k: v.clone() for k, v in state.items()}, classes=names, converted=True)
    except (OSError, ValueError, csv.Error) as error:
        stop(error)
    size = sum(tensor.numel() for tensor in state.values())
    typer.echo(f"{line(target)}: {len(state)} tensors, {size} numbers, {len(names)} classes")
    typer.echo(f"sha256: {files.digest(target)}")


def _names(file: Path) -> list[str]:
    """Return the names of a list, a line each, or of a csv with a header, as AudioSet's.

    Raises:
        ValueError: if the file is no UTF-8 text, or a csv without one column of names.
    """
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is no UTF-8 text ({error}); save it as such") from error
    header, *rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row] or [[]]
    columns = [cell.strip().lower() for cell in header]
    if len(columns) < 2 or not {*columns} & {*INDEX, *NAME}:
        lines = [line.strip() for line in text.splitlines()]
        return [re.sub(r"\s+\d+$", "", line) for line in lines if line]
    named = [columns.index(name) for name in NAME if name in columns]
    if not named or any(len(row) != len(header) for row in rows):
        raise ValueError(
            f"{file} has the columns {', '.join(header)}; expected one called {' or '.join(NAME)}, "
            "and as many fields in every row"
        )
    if index := [columns.index(name) for name in INDEX if name in columns]:
        rows = _in_order(file, rows, index[0])
    return [row[named[0]].strip() for row in rows]


def _in_order(file: Path, rows: list[list[str]], column: int) -> list[list[str]]:
    places = [int(row[column]) if row[column].strip().isdecimal() else -1 for row in rows]
    if sorted(places) != list(range(len(rows))):
        raise ValueError(f"{file}: its index does not count from 0 to {len(rows) - 1}; correct it")
    return [row for _, row in sorted(zip(places, rows, strict=True))]


def _check_count(names: list[str], state: Mapping[str, "Tensor"], file: Path) -> None:
    """Refuse a number of names that no layer has as its number of outputs.

    Raises:
        ValueError: if no matrix or bias of the state dict has as many rows as there are names.
    """
    rows = {tensor.shape[0] for tensor in state.values() if tensor.ndim}
    if len(names) in rows:
        return
    last = [tensor.shape[0] for tensor in state.values() if tensor.ndim][-1:]
    had = f"; its last tensor has {last[0]} rows" if last else ""
    raise ValueError(
        f"{file} has {len(names)} names, from {names[0]!r} to {names[-1]!r}, but no tensor of the "
        f"network has as many rows{had}; give one name for each class, without a header"
        if names
        else f"{file} has no names; give one for each class"
    )


taught(
    app,
    convert,
    "avsc weights convert resnet50_places365.pth.tar data/weights/places365.safetensors \\",
    "    --classes categories_places365.txt",
)
