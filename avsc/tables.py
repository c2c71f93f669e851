"""Rows of csv and tsv files of anybody, one at a time: memory follows what a caller keeps."""

import csv
from collections.abc import Iterator
from io import TextIOBase

MAX_ROWS = 4_000_000
MAX_LINE = 2**20  # characters


def rows(
    file: TextIOBase, *, delimiter: str = ",", most: int = MAX_ROWS
) -> Iterator[tuple[int, list[str]]]:
    """Yield the header and up to `most` rows, each with the number of the line that it ends in.

    Args:
        file: opened with newline="".
        delimiter: between fields.
        most: rows.

    Raises:
        UnicodeDecodeError: if it is no text.
        csv.Error: if it is no table, or larger than any of ours.
    """
    reader = csv.reader(_lines(file), delimiter=delimiter, strict=True)
    for number, row in enumerate(reader):
        if number > most:
            raise csv.Error(f"more than {most} rows")
        yield reader.line_num, row


def _lines(file: TextIOBase) -> Iterator[str]:
    while line := file.readline(MAX_LINE):
        if len(line) == MAX_LINE and not line.endswith("\n"):
            raise csv.Error(f"a line of more than {MAX_LINE} characters")
        yield line
