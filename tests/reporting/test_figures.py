import json

import plotly.graph_objects as go
import pytest

from avsc.reporting.figures import PALETTE, colour, plain
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
