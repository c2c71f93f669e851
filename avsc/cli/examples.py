"""Commands whose help ends with examples."""

import inspect
from collections.abc import Callable
from typing import Any

import typer


def taught(group: typer.Typer, command: Callable[..., Any], *examples: str) -> None:
    """Add `command` to a group, its docstring and the examples as its help."""
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    lines = "\n".join(f"  {example}" for example in examples)
    # \b tells the formatter to leave the lines of a paragraph as they are
    group.command(help=f"{text}\n\n\b\nExamples:\n{lines}")(command)
