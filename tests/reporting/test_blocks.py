import pytest
from jinja2 import Environment

from avsc.reporting.blocks import Number, Record, Results, Table

ROW = {"data": "toy", "loss": "1.23456", "empty": "", "low": "0.5", "high": "0.75"}


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        ("1.23456", "loss", "1.235"),
        (0.58125, "percent", "58.1%"),
        ("-0.0125", "signed percent", "-1.2%"),
        ("0.5", "signed", "+0.500"),
        ("94.59", "points", "94.6%"),
        ("80", "count", "80"),
        ("1.8e-07", "p", "1.8e-07"),
        ("0.00012", "p", "0.00012"),
    ],
)
def test_a_number_is_shown_in_its_form(value, form, text):
    assert str(Number(value, "metrics/a.json#/b", form)) == text


def test_a_number_keeps_its_digits_and_its_source_in_the_page():
    template = Environment(autoescape=True).from_string("{{ n }}")
    html = template.render(n=Number("1.23456", 'metrics/"<a>.csv#/0/loss', "loss"))
    source = "metrics/&#34;&lt;a&gt;.csv#/0/loss"
    assert html == f'<data value="1.23456" data-source="{source}">1.235</data>'


def test_a_row_names_the_place_of_its_numbers():
    (row,) = Results({"metrics/a.csv": [{**ROW, "data": "x"}, ROW]}).rows(
        "metrics/a.csv", data="toy"
    )
    assert row.number("loss", "loss") == Number("1.23456", "metrics/a.csv#/1/loss", "loss")
    assert row.number("empty", "loss") is None
    assert row.number("absent", "loss") is None
    assert row.range("low", "empty", "loss") is None
    assert row.range("low", "high", "loss").high.source == "metrics/a.csv#/1/high"


def test_a_json_file_is_read_along_its_keys():
    record = Results({"metrics/a.json": {"clip": {"loss": 0.5}}}).record("metrics/a.json")
    assert record.number("clip/loss", "loss") == Number(0.5, "metrics/a.json#/clip/loss", "loss")
    assert record.value("segment/loss") is None


def test_zero_is_a_number_and_no_gap():
    assert Record("a#", {"loss": 0.0}).value("loss") == 0.0


def test_what_is_not_there_has_no_rows():
    assert Results({}).rows("metrics/a.csv") == []
    assert Results({}).record("metrics/a.json") is None


def test_columns_that_are_empty_in_every_row_are_left_out():
    number = Number(1, "a#/b", "count")
    table = Table("t", ["name", "none", "some"], [["a", None, None], ["b", None, number]]).trimmed()
    assert (table.header, table.rows) == (["name", "some"], [["a", None], ["b", number]])
    assert table.numeric == [False, True]
