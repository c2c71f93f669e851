"""Figures whose cells are shaded: counts of scenes, and a number for each pair of names."""

from collections.abc import Sequence

from avsc.reporting import figures
from avsc.reporting.blocks import Figure, Record


def confusion(rows: Sequence[Record], caption: str, source: str) -> Figure:
    """Return counts of true and predicted scenes; the shade is the share of the true scene."""
    true = list(dict.fromkeys(r["scene_label"] for r in rows))
    said = list(dict.fromkeys(r["predicted"] for r in rows))
    count = {(r["scene_label"], r["predicted"]): int(r["count"]) for r in rows}
    text = [[count.get((t, p), 0) for p in said] for t in true]
    cells: figures.Plot = {
        "type": "heatmap",
        "x": [figures.plain(p) for p in said],
        "y": [figures.plain(t) for t in true],
        "z": [[n / max(1, sum(line)) for n in line] for line in text],
        "text": text,
        "texttemplate": "%{text}",
        "coloraxis": "coloraxis",
        "hovertemplate": "true %{y}<br>predicted %{x}<br>%{text} items<extra></extra>",
        "xgap": 1,
        "ygap": 1,
    }
    layout = {
        "xaxis": figures.names(cells["x"], title={"text": "predicted"}, tickangle=-40),
        "yaxis": figures.names(cells["y"], title={"text": "true"}, autorange="reversed"),
        "coloraxis": {"showscale": False, "cmin": 0, "cmax": 1},
    }
    return Figure(caption, source, figures.plot([cells], **layout), 150 + 32 * len(true))


def grid(
    values: Sequence[Sequence[float | None]],
    *,
    x: Sequence[str],
    y: Sequence[str],
    caption: str,
    source: str,
    form: str = ".2f",
) -> Figure:
    """Return a number for each pair of names, shaded from the smallest to the largest."""
    cells: figures.Plot = {
        "type": "heatmap",
        "x": [figures.plain(name) for name in x],
        "y": [figures.plain(name) for name in y],
        "z": [list(line) for line in values],
        "texttemplate": f"%{{z:{form}}}",
        "coloraxis": "coloraxis",
        "hovertemplate": f"%{{y}}<br>%{{x}}: %{{z:{form}}}<extra></extra>",
        "xgap": 1,
        "ygap": 1,
    }
    layout = {
        "xaxis": figures.names(cells["x"], tickangle=-40),
        "yaxis": figures.names(cells["y"], autorange="reversed"),
        "coloraxis": {"showscale": False},
    }
    return Figure(caption, source, figures.plot([cells], **layout), 130 + 30 * len(y))
