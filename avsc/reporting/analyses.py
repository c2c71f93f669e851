"""What was asked of the systems: comparisons, fusion, robustness, and the tables of papers."""

from collections.abc import Iterator, Sequence

from avsc.reporting import figures, heatmaps
from avsc.reporting.blocks import Block, Cell, ClipLists, Figure, Record, Results, Section, Table
from avsc.reporting.systems import PROTOCOLS

COMPARED = (
    "Two systems on the same clips. The difference is one less the other: a log-loss below zero "
    "and an accuracy above zero speak for the first. Intervals are of 95 %, over locations. "
    "McNemar's test counts the items that one system alone gets right."
)
FUSED = (
    "Where fusion gains: the fused system beside those of one modality, class by class, and what "
    "it makes of items that both modalities, one or none get right."
)
DISTURBED = (
    "The trained systems, not trained again, on disturbed test clips: sound or pictures missing, "
    "noise, gain, blur, darkness, and sound shifted against pictures."
)
STUDIED = (
    "Tables of papers, trained cell by cell: mean and standard deviation over seeds. Choose a cell "
    "by its log-loss on the validation fold, never by the test fold's. Published numbers are of "
    "TAU, not of this data set: compare which row is better, not by how much."
)
CELLS = {
    "both_right": "both right",
    "audio_right": "audio alone right",
    "video_right": "video alone right",
    "none_right": "none right",
}


def comparisons(results: Results, names: Sequence[str], data: str) -> Section | None:
    """Return the differences of pairs of systems, a table for each score."""
    forms = {"log_loss_macro": "signed", "accuracy_macro": "signed percent"}
    header = ["systems", "difference", "95 % interval"]
    header += ["first alone right", "second alone right", "McNemar's p"]
    blocks = []
    for protocol in PROTOCOLS:
        for metric, form in forms.items():
            cells: list[list[Cell]] = [
                [
                    f"{r['one']} less {r['other']}",
                    r.number("difference", form),
                    r.range("low", "high", form),
                    r.number("b", "count"),
                    r.number("c", "count"),
                    r.number("p", "p"),
                ]
                for name in names
                for r in results.rows(
                    f"metrics/compare/{name}.csv", protocol=protocol, metric=metric
                )
            ]
            score = metric.removesuffix("_macro").replace("_", "-")
            table = Table(f"{data} · {protocol} protocol: difference in {score}", header, cells)
            if cells:
                blocks.append(Block(table.trimmed(), {"protocol": protocol}, wide=True))
    return Section("compare", "Comparisons", COMPARED, blocks) if blocks else None


def fusion(results: Results, names: Sequence[str], data: str) -> Section | None:
    """Return each analysis of a fused system against its modalities."""
    blocks, options = [], [n for n in names if f"metrics/fusion/{n}.csv" in results.files]
    for name in options:
        path = f"metrics/fusion/{name}.csv"
        for protocol in PROTOCOLS:
            if rows := results.rows(path, protocol=protocol):
                when = {"fusion": name, "protocol": protocol}
                title = f"{data} · {protocol} protocol · {name}"
                blocks += [Block(b, when, wide=True) for b in _fused(rows, title, path)]
        path = f"metrics/fusion/{name}_clips.csv"
        if clips := results.rows(path):
            blocks.append(
                Block(
                    _cells(clips, f"{data} · clip protocol · {name}", path),
                    {"fusion": name, "protocol": "clip"},
                )
            )
    return Section("fusion", "Fusion", FUSED, blocks, "fusion", options) if blocks else None


def _fused(rows: Sequence[Record], title: str, path: str) -> Iterator[Figure | Table]:
    systems = ("fused", "audio", "video")
    scenes = [r["scene_label"] for r in rows]
    yield figures.bars(
        {s: [r.value(f"{s}_accuracy") for r in rows] for s in systems},
        x=scenes,
        title="accuracy",
        caption=f"{title}: accuracy by class",
        source=path,
    )
    columns = {"gain": "signed percent"}
    forms = {"accuracy": "percent", "precision": "share", "f1": "share", "log_loss": "loss"}
    for kind, form in forms.items():
        columns |= {f"{s}_{kind}": form for s in systems}
    yield _table(rows, columns, f"{title}: fused, audio and video by class")
    counts = {column: "count" for c in CELLS for column in (c, f"{c}_fused")}
    yield _table(rows, counts, f"{title}: items of each cell, and those that fusion gets right")


def _named(column: str) -> str:
    cell, fused, _ = column.partition("_fused")
    if cell in CELLS:
        return "of these fused right" if fused else CELLS[cell]
    return column.replace("log_loss", "log-loss").replace("_", " ")


def _table(rows: Sequence[Record], columns: dict[str, str], caption: str) -> Table:
    header = ["class", *map(_named, columns)]
    cells = [[r["scene_label"], *(r.number(c, form) for c, form in columns.items())] for r in rows]
    return Table(caption, header, cells).trimmed()


def _cells(rows: Sequence[Record], title: str, path: str) -> ClipLists:
    lists: dict[str, list[str]] = {}
    for cell, name in CELLS.items():
        for right, verdict in (("1", "fused right"), ("0", "fused wrong")):
            own = [r["clip_id"] for r in rows if r["cell"] == cell and r["fused_right"] == right]
            if own:
                lists[f"{name}, {verdict}"] = own
    return ClipLists(f"{title}: the clips behind each cell", path, lists)


def robustness(results: Results, systems: Sequence[str], data: str) -> Section | None:
    """Return a curve for each disturbance, and a table for each system."""
    options = [s for s in systems if f"metrics/robustness/{s}.csv" in results.files]
    blocks = []
    for protocol in PROTOCOLS:
        title = f"{data} · {protocol} protocol"
        sheets = {
            s: rows
            for s in options
            if (rows := results.rows(f"metrics/robustness/{s}.csv", protocol=protocol))
        }
        blocks += [Block(f, {"protocol": protocol}) for f in _curves(sheets, title)]
        for system, rows in sheets.items():
            cells: list[list[Cell]] = [
                [
                    disturbance(r),
                    r.number("log_loss_macro", "loss"),
                    r.number("accuracy_macro", "percent"),
                ]
                for r in rows
            ]
            table = Table(f"{title} · {system}", ["disturbance", "log-loss", "accuracy"], cells)
            blocks.append(Block(table, {"protocol": protocol, "robustness": system}))
    if not blocks:
        return None
    choice = ("robustness", options, "table of")
    return Section("robustness", "Robustness", DISTURBED, blocks, *choice)


def disturbance(r: Record) -> str:
    """Return what was done to the clips, in words."""
    if r["kind"] == "none":
        return "undisturbed"
    return " ".join(filter(None, (r["kind"].replace("_", " "), r["strength"], r["unit"])))


def _curves(sheets: dict[str, list[Record]], title: str) -> Iterator[Figure]:
    """Return a figure of the kinds that have strengths each, and one of those that have none."""
    every = [r for rows in sheets.values() for r in rows]
    kinds = dict.fromkeys(r["kind"] for r in every if r["strength"])
    source = "metrics/robustness/*.csv"
    bare = {
        s: {disturbance(r): r.value("log_loss_macro") for r in rows if not r["strength"]}
        for s, rows in sheets.items()
    }
    steps = list(dict.fromkeys(step for found in bare.values() for step in found))
    if len(steps) > 1:
        yield figures.bars(
            {s: [found.get(step) for step in steps] for s, found in bare.items()},
            x=steps,
            title="log-loss",
            caption=f"{title}: missing modalities",
            source=source,
        )
    for kind in kinds:
        unit = next(r["unit"] for r in every if r["kind"] == kind)
        lines = {
            s: [
                ("none" if r["kind"] == "none" else r["strength"], r.value("log_loss_macro"))
                for r in rows
                if r["kind"] in ("none", kind)
            ]
            for s, rows in sheets.items()
            if any(r["kind"] == kind for r in rows)
        }
        name = kind.replace("_", " ")
        x = f"{name} ({unit})" if unit else name
        yield figures.curves(lines, x=x, caption=f"{title}: {name}", source=source)


def studies(results: Results, names: Sequence[str], data: str) -> Section | None:
    """Return the table and the picture of each study."""
    options = [n for n in names if f"metrics/studies/{n}.csv" in results.files]
    blocks = []
    for name in options:
        path = f"metrics/studies/{name}.csv"
        for protocol in PROTOCOLS:
            column = f"{protocol}_log_loss_macro"
            rows = [r for r in results.rows(path) if r.value(column) is not None]
            if rows:
                when = {"study": name, "protocol": protocol}
                title = f"{data} · {protocol} protocol · {name}"
                blocks.append(Block(_study(rows, protocol, title), when, wide=True))
                blocks.append(Block(figures.spread(rows, column, f"{title}: log-loss", path), when))
                if classes := list(_by_class(results, name, protocol, title)):
                    blocks += [Block(f, when) for f in classes]
    return Section("studies", "Studies", STUDIED, blocks, "study", options) if blocks else None


def _study(rows: Sequence[Record], protocol: str, title: str) -> Table:
    header = [
        "cell",
        "log-loss",
        "± sd",
        "accuracy",
        "± sd",
        "validation: log-loss",
        "± sd",
        "seeds",
    ]
    header += ["TAU, published: log-loss", "TAU, published: accuracy", "published mean over"]
    cells: list[list[Cell]] = []
    for r in rows:
        kind, _, average = r["published_protocol"].partition(" ")
        same = kind == protocol
        cells.append(
            [
                r["cell"],
                r.number(f"{protocol}_log_loss_macro", "loss"),
                r.number(f"{protocol}_log_loss_macro_sd", "loss"),
                r.number(f"{protocol}_accuracy_macro", "percent"),
                r.number(f"{protocol}_accuracy_macro_sd", "percent"),
                r.number(f"val_{protocol}_log_loss_macro", "loss"),
                r.number(f"val_{protocol}_log_loss_macro_sd", "loss"),
                r.number("seeds", "count"),
                r.number("published_log_loss", "loss") if same else None,
                r.number("published_accuracy", "points") if same else None,
                ({"micro": f"{protocol}s"}.get(average, "classes")) if same else None,
            ]
        )
    table = Table(f"{title}: cells", header, cells).trimmed()
    if "published mean over" not in table.header:
        return table
    return Table(f"{title}: cells, beside published values of TAU", table.header, table.rows)


def _by_class(results: Results, name: str, protocol: str, title: str) -> Iterator[Figure]:
    path = f"metrics/studies/{name}_per_class.csv"
    rows = results.rows(path, protocol=protocol)
    cells, scenes = ([*dict.fromkeys(r[c] for r in rows)] for c in ("cell", "scene_label"))
    f1 = {(r["cell"], r["scene_label"]): r.value("f1") for r in rows}
    if rows:
        yield heatmaps.grid(
            [[f1.get((cell, scene)) for scene in scenes] for cell in cells],
            x=scenes,
            y=cells,
            caption=f"{title}: F1 of each class (first seed)",
            source=path,
        )
