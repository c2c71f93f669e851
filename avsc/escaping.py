"""Escape text of users and files for terminals, spreadsheets and Markdown tables."""

import re
from logging import LogRecord
from typing import TypeVar

V = TypeVar("V")
FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # the last four: of full width
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|nan)", re.IGNORECASE)
MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*[]|"} | {"<": "&lt;", "&": "&amp;"})


def terminal(text: object) -> str:
    r"""Return text whose lines hold no control characters: ESC becomes \x1b."""
    lines = str(text).splitlines()
    return "\n".join("".join(c if c.isprintable() else repr(c)[1:-1] for c in x) for x in lines)


def log_record(record: LogRecord) -> bool:
    """Escape the message of a log record for a terminal; a filter of the handler that prints it."""
    record.msg, record.args = terminal(record.getMessage()), ()
    return True


def csv_cell(value: V) -> V | str:
    """Return a cell that no spreadsheet reads as a formula: ' comes before =, +, - and @."""
    if isinstance(value, str) and FORMULA.match(value) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def markdown(text: object) -> str:
    """Return text as one cell of a Markdown table, without markup."""
    return terminal(" ".join(str(text).split())).translate(MARKDOWN)
