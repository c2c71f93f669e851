import csv
import io

import pytest

from avsc import tables


def rows(text, **options):
    return [*tables.rows(io.StringIO(text, newline=""), **options)]


def test_rows_come_with_the_lines_that_they_end_in():
    assert rows('a\tb\r\n"c\nd"\te\n\nf', delimiter="\t") == [
        (1, ["a", "b"]),
        (3, ["c\nd", "e"]),
        (4, []),
        (5, ["f"]),
    ]


def test_more_rows_than_any_table_has_are_refused():
    assert len(rows("a\nb\nc\n", most=2)) == 3
    with pytest.raises(csv.Error, match="more than 2 rows"):
        rows("a\nb\nc\nd\n", most=2)


def test_long_line_is_refused_before_all_of_it_is_in_memory(monkeypatch):
    monkeypatch.setattr(tables, "MAX_LINE", 8)
    assert rows("1234567\n12345\n") == [(1, ["1234567"]), (2, ["12345"])]
    with pytest.raises(csv.Error, match="a line of more than 8 characters"):
        rows("a\n123456789\n")
