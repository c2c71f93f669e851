"""avsc weights: files of data/weights/ out of what others publish."""

import re
from pathlib import Path
from typing import Annotated

import typer

from avsc.cli.examples import taught
from avsc.cli.telling import USAGE, line, stop

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
        Path | None, typer.Option(exists=True, dir_okay=False, help="names, a line each, in order")
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
        files.write(target, {k: v.clone() for k, v in state.items()}, classes=names)
    except (OSError, ValueError) as error:
        stop(error)
    size = sum(tensor.numel() for tensor in state.values())
    typer.echo(f"{line(target)}: {len(state)} tensors, {size} numbers, {len(names)} classes")
    typer.echo(f"sha256: {files.digest(target)}")


def _names(file: Path) -> list[str]:
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is no UTF-8 text ({error}); save it as such") from error
    return [re.sub(r"\s+\d+$", "", line) for line in lines if line]


taught(
    app,
    convert,
    "avsc weights convert resnet50_places365.pth.tar data/weights/places365.safetensors \\",
    "    --classes categories_places365.txt",
)
