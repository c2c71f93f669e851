"""Scene probabilities over the seconds of files as an interactive page."""

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from avsc.reporting.timeline import RAMP, Panel, printable


def html(panels: Sequence[Panel]) -> str:
    """Return a page that needs no network: a heat map for each file, to zoom and to point at."""
    figures = [
        _figure(p).to_html(full_html=False, include_plotlyjs=not i, config={"displaylogo": False})
        for i, p in enumerate(panels)
    ]
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Scenes</title></head>'
    return f"{head}<body>{''.join(figures)}</body></html>\n"


def _figure(panel: Panel) -> go.Figure:
    order = panel.order
    seconds = [(start + stop) / 2 for start, stop in panel.spans]
    names = [f"{escape(panel.scenes[i])}  {panel.whole[i]:.0%}" for i in order]
    heat = go.Heatmap(
        x=seconds,
        y=names,
        z=panel.probs[:, order].T.tolist(),
        zmin=0,
        zmax=1,
        colorscale=[[i / (len(RAMP) - 1), f"rgb{tuple(c)}"] for i, c in enumerate(RAMP.tolist())],
        hovertemplate="%{y}<br>around %{x} s: %{z:.3f}<extra></extra>",
    )
    title = f"{escape(printable(panel.title))}<br><sub>{escape(printable(panel.about))}</sub>"
    layout = go.Layout(
        title={"text": title},
        height=160 + 24 * len(order),
        xaxis={"title": {"text": "s"}, "range": [0, panel.spans[-1][1]]},
        yaxis={"autorange": "reversed", "automargin": True},
        margin={"t": 70},
    )
    return go.Figure(heat, layout)
