"""What commands say on stderr, a line each, whatever is in the names of files."""

import sys
from typing import NoReturn

import typer

from avsc import escaping

FAILED, USAGE = 1, 2


def line(text: object) -> str:
    """Return text on one line, without characters that steer a terminal."""
    return escaping.terminal(" ".join(str(text).split()))


def say(text: object) -> None:
    """Write a line to stderr."""
    typer.echo(line(text), err=True)


def show(text: str) -> None:
    """Write text to stdout, unchanged to a file or pipe, escaped to a terminal."""
    shown = f"{escaping.terminal(text)}\n" if sys.stdout.isatty() else text
    sys.stdout.write(shown)


def stop(error: object, *, code: int = FAILED) -> NoReturn:
    """Say what went wrong and end the command.

    Raises:
        typer.Exit: always, with `code`.
    """
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    typer.echo(escaping.terminal(f"error: {text}"), err=True)
    raise typer.Exit(code)
