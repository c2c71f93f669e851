"""The systems: a leaderboard beside published numbers, and all there is of each of them."""

from collections.abc import Iterator, Sequence

from avsc.reporting import figures, heatmaps
from avsc.reporting.blocks import Block, Cell, Figure, Note, Record, Results, Section, Table

PROTOCOLS = ("segment", "clip")
METRICS = {"log_loss_macro": "loss", "accuracy_macro": "percent"}
CLASS_COLUMNS = {
    "precision": "share",
    "recall": "share",
    "f1": "share",
    "log_loss": "loss",
    "support": "count",
}
RANKED = (
    "Systems on the test fold, the smallest log-loss first; log-loss and accuracy are means over "
    "the classes. Segment protocol (official): every second is an item of its own. Clip protocol: "
    "the probabilities of a clip's seconds are averaged, which is easier. Intervals: locations "
    "drawn again (bootstrap), or left out one by one (jackknife)."
)
PUBLISHED = (
    "Published numbers are of TAU Urban Audio-Visual Scenes 2021, its development fold unless the "
    "system's name says otherwise."
)
DEMO = (
    "The demo world is synthetic. Its numbers show that the pipeline works and what fusion wins "
    "there; they say nothing about TAU."
)
EACH = (
    "One system at a time: which scenes it takes for which, class by class and city by city, how "
    "it learned, and whether its probabilities are what they say."
)
NO_SEGMENTS = "This system sees whole clips: it has no scores of the segment protocol."


def ranked(results: Results, systems: Sequence[str], protocol: str) -> dict[str, Record]:
    """Return the systems that have scores under a protocol, the smallest log-loss first."""
    records = {s: r for s in systems if (r := results.record(f"metrics/{s}.json"))}
    losses = {s: r.value(f"{protocol}/log_loss") for s, r in records.items()}
    there = {s: loss for s, loss in losses.items() if loss is not None}
    return {s: records[s] for s in sorted(there, key=lambda s: (there[s], s))}


def leaderboard(
    results: Results, systems: Sequence[str], published: Sequence[Record], data: str
) -> Section:
    """Return the systems under each protocol, their intervals, and what others published."""
    blocks = [Block(Note(DEMO))] if data == "demo" else []
    for protocol in PROTOCOLS:
        when = {"protocol": protocol}
        title = f"{data} · {protocol} protocol"
        if order := ranked(results, systems, protocol):
            blocks.append(Block(_ours(results, order, protocol, title), when, wide=True))
            blocks.append(Block(_picture(results, order, protocol, title), when))
        else:
            blocks.append(Block(Note(f"No system has scores of the {protocol} protocol."), when))
        theirs = [r for r in published if r["protocol"] == protocol]
        blocks.append(Block(_published(theirs, protocol), when))
    blocks.append(Block(_references(published)))
    return Section("leaderboard", "Leaderboard", RANKED, blocks)


def _intervals(results: Results, system: str, protocol: str, metric: str) -> Record | None:
    path = f"metrics/{system}/intervals.csv"
    return next(iter(results.rows(path, protocol=protocol, metric=metric)), None)


def _picture(results: Results, order: dict[str, Record], protocol: str, title: str) -> Figure:
    found = [_intervals(results, s, protocol, "log_loss_macro") for s in order]
    known = [r for r in found if r]
    if len(known) == len(order):
        caption = f"{title}: log-loss with 95 % bootstrap intervals"
        return figures.intervals(known, list(order), "log-loss", caption)
    path = f"{protocol}/log_loss"
    return figures.dots(list(order.values()), list(order), path, f"{title}: log-loss")


def _ours(results: Results, order: dict[str, Record], protocol: str, title: str) -> Table:
    header = ["system"]
    for name in ("log-loss", "accuracy"):
        header += [name, "95 % bootstrap", "95 % jackknife"]
    rows = []
    for system, record in order.items():
        row: list[Cell] = [system]
        for metric, form in METRICS.items():
            bounds = _intervals(results, system, protocol, metric)
            row.append(record.number(f"{protocol}/{metric.removesuffix('_macro')}", form))
            row += [
                bounds.range(f"{kind}_low", f"{kind}_high", form) if bounds else None
                for kind in ("bootstrap", "jackknife")
            ]
        rows.append(row)
    return Table(f"{title}: our systems", header, rows).trimmed()


def _published(rows: Sequence[Record], protocol: str) -> Table:
    over = {"macro": "classes", "micro": f"{protocol}s"}
    cells: list[list[Cell]] = [
        [
            r["system"],
            r.number("log_loss", "loss"),
            r.number("accuracy_percent", "points"),
            over[r["average"]],
            r["source"],
        ]
        for r in rows
    ]
    header = ["published system", "log-loss", "accuracy", "mean over", "source"]
    return Table(f"TAU, published · {protocol} protocol", header, cells)


def _references(rows: Sequence[Record]) -> Note:
    sources = dict.fromkeys(f"{r['source']}: {r['reference']}" for r in rows)
    return Note(f"{PUBLISHED} {'; '.join(sources)}.")


def each(results: Results, systems: Sequence[str], data: str) -> Section | None:
    """Return what there is of every system, None where there is no system."""
    options = [s for s in systems if f"metrics/{s}.json" in results.files]
    if not options:
        return None
    best = next(iter(ranked(results, options, "segment") or ranked(results, options, "clip")))
    blocks = [
        Block(content, when)
        for protocol in PROTOCOLS
        for content, when in _overview(results, protocol, data)
    ]
    for system in options:
        for protocol in PROTOCOLS:
            when = {"system": system, "protocol": protocol}
            own = [Block(b, when) for b in _of_protocol(results, system, protocol, data)]
            blocks += own or [Block(Note(NO_SEGMENTS), when)]
        path = f"metrics/{system}/history.csv"
        if rows := results.rows(path):
            caption = f"{data} · training and validation fold: {system}, loss in each epoch"
            figure = figures.learning(rows, caption, path)
            blocks.append(Block(figure, {"system": system}))
    return Section("systems", "Systems", EACH, blocks, "system", [best, *_others(options, best)])


def _others(options: Sequence[str], best: str) -> list[str]:
    return [s for s in options if s != best]


def _overview(
    results: Results, protocol: str, data: str
) -> Iterator[tuple[Figure, dict[str, str]]]:
    """Return the recall of every class by every system."""
    systems = [p.split("/")[1] for p in results.files if p.endswith("/per_class.csv")]
    order = ranked(results, systems, protocol)
    tables = {s: results.rows(f"metrics/{s}/per_class.csv", protocol=protocol) for s in order}
    scenes = list(dict.fromkeys(r["scene_label"] for rows in tables.values() for r in rows))
    recall = [{r["scene_label"]: r.value("recall") for r in rows} for rows in tables.values()]
    if recall:
        figure = heatmaps.grid(
            [[row.get(scene) for scene in scenes] for row in recall],
            x=scenes,
            y=list(tables),
            caption=f"{data} · {protocol} protocol: recall of each class by each system",
            source="metrics/*/per_class.csv",
        )
        yield figure, {"protocol": protocol}


def _of_protocol(
    results: Results, system: str, protocol: str, data: str
) -> Iterator[Figure | Table]:
    """Return the figures and tables of one system under one protocol."""
    title = f"{data} · {protocol} protocol · {system}"
    folder = f"metrics/{system}"
    if rows := results.rows(path := f"{folder}/confusion.csv", protocol=protocol):
        yield heatmaps.confusion(rows, f"{title}: true and predicted scenes", path)
    if rows := results.rows(f"{folder}/per_class.csv", protocol=protocol):
        header = ["class", *(c.replace("_", "-") for c in CLASS_COLUMNS)]
        cells = [
            [r["scene_label"], *(r.number(c, form) for c, form in CLASS_COLUMNS.items())]
            for r in rows
        ]
        yield Table(f"{title}: classes", header, cells)
    if rows := results.rows(path := f"{folder}/places.csv", protocol=protocol):
        cities = [r for r in rows if not r["location"]]
        columns = {"items": "count", "log_loss": "loss", "accuracy": "percent"}
        cells = [[r["city"], *(r.number(c, f) for c, f in columns.items())] for r in cities]
        yield Table(f"{title}: cities", ["city", "items", "log-loss", "accuracy"], cells)
        yield figures.places([r for r in rows if r["location"]], f"{title}: locations", path)
    if rows := results.rows(path := f"{folder}/calibration.csv", protocol=protocol):
        yield figures.reliability(rows, f"{title}: reliability", path)
        yield _calibration(rows, f"{title}: calibration")


def _calibration(rows: Sequence[Record], caption: str) -> Table:
    """Return temperature and expected calibration error, which every bin repeats."""
    first = {r["when"]: r for r in reversed(rows)}
    columns = {"temperature": "share", "ece": "share"}
    cells = [
        [name, *(first[when].number(c, form) for c, form in columns.items())]
        for when, name in figures.SCALED.items()
        if when in first
    ]
    return Table(caption, ["", "temperature on top", "expected calibration error"], cells)
