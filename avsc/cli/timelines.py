"""Timelines of files as tables, JSON, csv and pictures."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from avsc.cli.telling import line
from avsc.escaping import csv_cell
from avsc.prediction import Timeline
from avsc.reporting import timeline as drawing
from avsc.trained import Predictor

SHADES = ((0.5, "bold"), (0.1, ""), (-1.0, "dim"))
EDGES, WHOLE, CELL = 3, 6, 4  # characters, with the blank between columns


@dataclass(frozen=True)
class Classified:
    """A file, the experiment that it was given to, and its probabilities or why there are none."""

    file: Path
    audio: Path | None
    by: Predictor
    timeline: Timeline | None
    error: str


def show(found: Classified) -> None:
    """Print the tables of a file to stdout."""
    _print(Console(), found)


def _print(console: Console, found: Classified) -> None:
    if not (t := found.timeline):
        console.print(Text(f"{line(found.file)}: {line(found.error)}"), soft_wrap=True)
        return
    top = int(t.whole.argmax())
    headline = f"{line(found.file)}: {line(t.scenes[top])} ({t.whole[top]:.1%})"
    console.print(Text(headline, "bold"), soft_wrap=True)
    console.print(Text(f"{_about(found.by)}; probabilities in %", "dim"), soft_wrap=True)
    for note in t.notes:
        console.print(Text(line(note), "dim"), soft_wrap=True)
    names = max(len(line(scene)) for scene in t.scenes)
    room = console.width - names - EDGES - WHOLE
    # 100 and a blank, and wider where seconds have more digits or rows are windows
    width = max(CELL, 1 + max(len(_head(span)) for span in t.spans))
    per_table = max(1, room // width)
    for first in range(0, len(t.spans), per_table):
        console.print(_table(t, slice(first, first + per_table), width))


def _about(p: Predictor) -> str:
    return line(f"{p.experiment}, trained on {p.data}")


def _head(span: tuple[int, int]) -> str:
    start, end = span
    return str(start) if end == start + 1 else f"{start}-{end}"


def _table(t: Timeline, rows: slice, width: int) -> Table:
    """Return a row a scene, the most probable first, and a column a second."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("second", no_wrap=True)
    table.add_column("whole", justify="right", no_wrap=True)
    for span in t.spans[rows]:
        table.add_column(_head(span), justify="right", no_wrap=True, min_width=width - 1)
    for i in np.argsort(-t.whole, kind="stable").tolist():
        cells = (_cell(p, f"{100 * p:.0f}") for p in t.probs[rows, i].tolist())
        table.add_row(Text(line(t.scenes[i])), _cell(t.whole[i], f"{100 * t.whole[i]:.1f}"), *cells)
    return table


def _cell(p: float, text: str) -> Text:
    return Text(text, next(style for least, style in SHADES if p > least))


def written(done: Sequence[Classified], p: Predictor, form: str) -> str:
    """Return everything as the text of a file: table, json or csv.

    Args:
        done: the files.
        p: the experiment for files with sound and pictures.
        form: table, json or csv.
    """
    if form == "json":
        return _json(done, p)
    if form == "csv":
        return _csv(done, p.scenes)
    console = Console(file=io.StringIO(), width=100)
    for found in done:
        _print(console, found)
    return console.file.getvalue()  # type: ignore[attr-defined]


def _json(done: Sequence[Classified], p: Predictor) -> str:
    files = [
        {
            "file": str(found.file),
            "audio": None if found.audio is None else str(found.audio),
            "experiment": found.by.experiment,
            "scene_label": t.scenes[t.whole.argmax()],
            "probs": dict(zip(t.scenes, t.whole.tolist(), strict=True)),
            "rows": [
                {
                    "start_s": start,
                    "end_s": end,
                    "scene_label": t.scenes[row.argmax()],
                    "probs": dict(zip(t.scenes, row.tolist(), strict=True)),
                }
                for (start, end), row in zip(t.spans, t.probs, strict=True)
            ],
            "notes": list(t.notes),
        }
        for found in done
        if (t := found.timeline)
    ]
    failed = [{"file": str(f.file), "error": f.error} for f in done if not f.timeline]
    content = {
        "data": p.data,
        "experiment": p.experiment,
        "scenes": list(p.scenes),
        "files": files,
        "failed": failed,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _csv(done: Sequence[Classified], scenes: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    about = ("data", "experiment", "file", "span", "start_s", "end_s", "scene_label")
    writer.writerow([*about, *map(csv_cell, scenes)])
    for found in done:
        if not (t := found.timeline):
            continue
        end = t.spans[-1][1]
        rows = [("whole", 0, end, t.whole)]
        kind = "window" if found.by.sees_clips else "second"
        rows += [(kind, *span, row) for span, row in zip(t.spans, t.probs, strict=True)]
        for span, start, stop, probs in rows:
            named = (found.by.data, found.by.experiment, str(found.file), span, start, stop)
            scene = t.scenes[probs.argmax()]
            writer.writerow([*map(csv_cell, (*named, scene)), *map(repr, probs.tolist())])
    return text.getvalue()


def drawn(done: Sequence[Classified], ending: str) -> bytes:
    """Return the timelines as a picture of the kind that `ending` says: .png, .svg or .html."""
    panels = [
        drawing.Panel(
            f.file.name,
            "; ".join((_about(f.by), *t.notes)),
            t.scenes,
            t.spans,
            t.probs,
            t.whole,
            t.pictures,
        )
        for f in done
        if (t := f.timeline)
    ]
    if ending == ".png":
        return drawing.png(panels)
    if ending == ".svg":
        return drawing.svg(panels).encode()
    from avsc.reporting import timeline_page  # plotly takes a while to load

    return timeline_page.html(panels).encode()
