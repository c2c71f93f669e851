import logging

import pytest
from typer.testing import CliRunner

from avsc import escaping
from avsc.cli import app


def test_control_characters_are_escaped_and_lines_stay():
    assert escaping.terminal("a\x1b[31mred\n  b\x07\u202e") == "a\\x1b[31mred\n  b\\x07\\u202e"
    assert escaping.terminal("grün 東京") == "grün 東京"


@pytest.mark.parametrize(
    "text", ["=1+1", "+A1", "-A1", "@SUM(A1)", "\tx", "--1", "=-1", "\uff1d1+1"]
)
def test_cell_that_spreadsheets_read_as_formula_becomes_text(text):
    assert escaping.csv_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-0.5", "+1e-05", "-inf", "bus", "a=b", "", None, -1, 0.5])
def test_numbers_and_plain_text_stay_as_they_are(value):
    assert escaping.csv_cell(value) == value


def test_text_is_one_cell_of_a_markdown_table_without_markup():
    assert escaping.markdown("a|b\nc") == r"a\|b c"
    assert escaping.markdown("<!-- results -->") == "&lt;!-- results -->"
    assert escaping.markdown("[x](y) *z* `q`") == r"\[x\](y) \*z\* \`q\`"
    assert escaping.markdown("ceoa_sf") == "ceoa_sf"


def test_message_of_a_log_record_is_escaped_with_its_arguments():
    record = logging.LogRecord("a", 30, "f", 1, "made again: %s", ("a\x1b[2J",), None)
    assert escaping.log_record(record)
    assert record.getMessage() == "made again: a\\x1b[2J"


def test_warnings_of_commands_are_escaped(capsys):
    CliRunner().invoke(app, ["bench", "--list"])
    assert logging.lastResort
    record = logging.LogRecord("avsc", logging.WARNING, "f", 1, "a\x1b[2J", (), None)
    logging.lastResort.handle(record)
    assert capsys.readouterr().err == "a\\x1b[2J\n"
