"""Plotly figures as plain dictionaries; colours of text, grid and surface come from the page."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from avsc.reporting.blocks import Figure, Record

PALETTE = (
    *("#5a8fd0", "#f58518", "#54a24b", "#e45756", "#72b7b2", "#b279a2"),
    *("#d6a52b", "#ff7f98", "#ab7c62", "#8a8f98", "#5b5fc7", "#2a9d8f"),
)
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x")
DASHES = ("solid", "dash", "dot", "dashdot")
LABELLED = 60  # a map of so few points has their names beside them

Axis = dict[str, Any]
Plot = dict[str, Any]


def plain(text: str) -> str:
    """Return `text` as Plotly shows it unchanged, for Plotly reads HTML tags and entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def colour(i: int) -> str:
    """Return the colour of the i-th thing; after the last the first comes again."""
    return PALETTE[i % len(PALETTE)]


# of calibration.csv; a temperature that training fitted is part of the predictions
SCALED = {"before": "as predicted", "after": "rescaled on the validation fold"}


def axis(title: str, **more: Any) -> Axis:
    """Return an axis with a title that keeps clear of its labels."""
    return {"title": {"text": title}, "automargin": True, **more}


def names(labels: Iterable[str], **more: Any) -> Axis:
    """Return an axis of names, which stay names if they look like numbers or dates."""
    return {"type": "category", "automargin": True, "categoryarray": list(labels), **more}


def plot(data: Sequence[Plot], **layout: Any) -> Plot:
    """Return a figure."""
    return {"data": list(data), "layout": {"dragmode": False, **layout}}


def tall(rows: int) -> int:
    """Return the height of a figure with so many names below one another, in px."""
    return 110 + 26 * rows


def intervals(rows: Sequence[Record], systems: Sequence[str], title: str, caption: str) -> Figure:
    """Return values with their 95 % bootstrap intervals, a row of `intervals.csv` each."""
    labels = [plain(s) for s in systems]
    ends = ("bootstrap_low", "bootstrap_high")
    lines = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [x for r in rows for x in (*(r.value(end) for end in ends), None)],
        "y": [y for label in labels for y in (label, label, None)],
        "line": {"width": 2, "color": PALETTE[0]},
        "marker": {"symbol": "line-ns-open", "size": 9},
        "hoverinfo": "skip",
    }
    points = _points([r.value("value") for r in rows], labels)
    layout = {"xaxis": axis(title), "yaxis": names(labels, autorange="reversed")}
    source = "metrics/*/intervals.csv"
    whole = plot([lines, points], showlegend=False, **layout)
    return Figure(caption, source, whole, tall(len(labels)))


def dots(rows: Sequence[Record], systems: Sequence[str], path: str, caption: str) -> Figure:
    """Return the log-losses at `path` of the systems' JSON files."""
    labels = [plain(s) for s in systems]
    points = _points([r.value(path) for r in rows], labels)
    layout = {"xaxis": axis("log-loss"), "yaxis": names(labels, autorange="reversed")}
    return Figure(caption, "metrics/*.json", plot([points], **layout), tall(len(labels)))


def _points(x: Sequence[float | None], labels: Sequence[str]) -> Plot:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": list(x),
        "y": list(labels),
        "marker": {"size": 9, "color": PALETTE[0]},
        "hovertemplate": "%{y}: %{x:.3f}<extra></extra>",
    }


def learning(rows: Sequence[Record], caption: str, source: str) -> Figure:
    """Return training and validation loss of each epoch, phase after phase."""
    traces = []
    for i, phase in enumerate(dict.fromkeys(r["phase"] for r in rows)):
        own = [r for r in rows if r["phase"] == phase]
        for column, dash in (("train_loss", "dot"), ("val_loss", "solid")):
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": f"{plain(phase)}: {column.replace('_', ' ')}",
                    "x": [r.value("epoch") for r in own],
                    "y": [r.value(column) for r in own],
                    "line": {"color": colour(i), "dash": dash},
                    "marker": {"size": 5},
                    "hovertemplate": "epoch %{x}: %{y:.3f}",
                }
            )
    layout = {"xaxis": axis("epoch", rangemode="tozero"), "yaxis": axis("loss")}
    return Figure(caption, source, plot(traces, **layout))


def reliability(rows: Sequence[Record], caption: str, source: str) -> Figure:
    """Return accuracy against confidence, of predictions as they are and rescaled."""
    diagonal = {
        "type": "scatter",
        "mode": "lines",
        "x": [0, 1],
        "y": [0, 1],
        "line": {"color": "#8a8f98", "dash": "dot", "width": 1},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    traces = [diagonal]
    for i, (when, name) in enumerate(SCALED.items()):
        own = [r for r in rows if r["when"] == when and r.value("items")]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": [r.value("confidence") for r in own],
                "y": [r.value("accuracy") for r in own],
                "customdata": [int(r["items"]) for r in own],
                "line": {"color": colour(i)},
                "hovertemplate": "confidence %{x:.2f}<br>accuracy %{y:.2f}<br>%{customdata} items",
            }
        )
    square = {"range": [0, 1]}
    layout = {"xaxis": axis("confidence", **square), "yaxis": axis("accuracy", **square)}
    return Figure(caption, source, plot(traces, **layout))


def places(rows: Sequence[Record], caption: str, source: str) -> Figure:
    """Return the accuracy at each location, a line of points for each city."""
    cities = sorted({plain(r["city"]) for r in rows})
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": [r.value("accuracy") for r in rows],
        "y": [plain(r["city"]) for r in rows],
        "text": [plain(r["location"]) for r in rows],
        "customdata": [int(r["items"]) for r in rows],
        "marker": {"size": 10, "opacity": 0.7, "color": PALETTE[0]},
        "hovertemplate": "%{text}<br>accuracy %{x:.1%}<br>%{customdata} items<extra></extra>",
    }
    layout = {
        "xaxis": axis("accuracy at a location", tickformat=".0%", range=[-0.03, 1.03]),
        "yaxis": names(cities, autorange="reversed"),
    }
    return Figure(caption, source, plot([points], **layout), tall(len(cities)))


def curves(
    lines: Mapping[str, Sequence[tuple[str, float | None]]], *, x: str, caption: str, source: str
) -> Figure:
    """Return the log-loss of each system over steps that have names, in the order given."""
    steps = list(dict.fromkeys(plain(step) for line in lines.values() for step, _ in line))
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": plain(system),
            "x": [plain(step) for step, _ in line],
            "y": [value for _, value in line],
            "line": {"color": colour(i), "dash": DASHES[i // len(PALETTE) % len(DASHES)]},
            "hovertemplate": "%{x}: %{y:.3f}",
        }
        for i, (system, line) in enumerate(lines.items())
    ]
    # from 0 on, for an axis of a tiny span would turn rounding into a trend
    layout = {
        "xaxis": names(steps, title={"text": x}),
        "yaxis": axis("log-loss", rangemode="tozero"),
    }
    return Figure(caption, source, plot(traces, **layout), 420)


def bars(
    groups: Mapping[str, Sequence[float | None]],
    *,
    x: Sequence[str],
    title: str,
    caption: str,
    source: str,
) -> Figure:
    """Return bars side by side, a group of them for each name of `x`."""
    labels = [plain(name) for name in x]
    traces = [
        {
            "type": "bar",
            "name": plain(name),
            "x": labels,
            "y": list(values),
            "marker": {"color": colour(i)},
            "hovertemplate": "%{x}: %{y:.3f}",
        }
        for i, (name, values) in enumerate(groups.items())
    ]
    layout = {"xaxis": names(labels, tickangle=-40), "yaxis": axis(title), "barmode": "group"}
    return Figure(caption, source, plot(traces, **layout), 420)


def spread(rows: Sequence[Record], column: str, caption: str, source: str) -> Figure:
    """Return the mean of each cell of a study, with the standard deviation over its seeds."""
    labels = [plain(r["cell"]) for r in rows]
    points = _points([r.value(column) for r in rows], labels)
    points["error_x"] = {"type": "data", "array": [r.value(f"{column}_sd") or 0 for r in rows]}
    layout = {"xaxis": axis("log-loss"), "yaxis": names(labels, autorange="reversed")}
    return Figure(caption, source, plot([points], **layout), tall(len(labels)))


def scatter(
    points: Mapping[str, Sequence[tuple[str, float, float]]], caption: str, source: str
) -> Figure:
    """Return a map: points of each group with their names, which a pointer shows.

    Args:
        points: {group: (name, x, y) of each point}.
        caption: what it shows.
        source: the file.
    """
    few = sum(map(len, points.values())) <= LABELLED
    traces = [
        {
            "type": "scatter",
            "mode": "markers+text" if few else "markers",
            "name": plain(group),
            "legendgroup": plain(group),
            "x": [x for _, x, _ in own],
            "y": [y for _, _, y in own],
            "text": [plain(name) for name, _, _ in own],
            "textposition": "top center",
            "textfont": {"size": 11},
            "marker": {
                "color": colour(i),
                "symbol": SYMBOLS[i // len(PALETTE) % len(SYMBOLS)],
                "size": 10 if few else 6,
                "opacity": 0.8,
            },
            "hovertemplate": "%{text}<extra>%{fullData.name}</extra>",
        }
        for i, (group, own) in enumerate(points.items())
    ]
    bare = {"showticklabels": False, "zeroline": False, "title": {"text": ""}}
    layout = {"xaxis": bare, "yaxis": bare, "showlegend": False, "dragmode": "pan"}
    groups = {group: colour(i) for i, group in enumerate(points)}
    return Figure(caption, source, plot(traces, **layout), 620, groups)
