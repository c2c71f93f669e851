import json

import plotly.graph_objects as go
import pytest

from avsc.reporting.figures import PALETTE, colour, curves, plain
from tests.reporting.test_page import Reader


def test_plotly_takes_every_figure_of_the_page(html):
    figures = json.loads(Reader(html).all("script", id="figures")[0]["text"])
    kinds = set()
    for figure in figures.values():
        kinds |= {trace["type"] for trace in go.Figure(figure).to_dict()["data"]}
    assert kinds == {"bar", "heatmap", "scatter"}


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("a & b", "a &amp; b"), ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"), ("bird's nest", "bird's nest")],
)
def test_what_plotly_would_take_for_markup_is_escaped(text, escaped):
    assert plain(text) == escaped


def test_colours_come_again_when_they_are_used_up():
    assert colour(len(PALETTE)) == colour(0) == PALETTE[0]
    assert len(set(PALETTE)) == len(PALETTE)


def test_curves_of_a_tiny_span_start_at_zero():
    lines = {"gated": [("none", 0.1394), ("5", 0.1396)]}
    figure = curves(lines, x="noise (dB)", caption="toy: noise", source="metrics/robustness/*.csv")
    assert figure.plot["layout"]["yaxis"]["rangemode"] == "tozero"


def test_calibration_is_named_by_what_was_done_to_the_predictions(html):
    # with fit.temperature, what "before" holds is at a temperature that training fitted
    figures = json.loads(Reader(html).all("script", id="figures")[0]["text"])
    names = {trace.get("name") for figure in figures.values() for trace in figure["data"]}
    assert {"as predicted", "rescaled on the validation fold"} <= names
    assert not {name for name in names if name and "temperature scaling" in name}
