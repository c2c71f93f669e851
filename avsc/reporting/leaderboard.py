"""The results as Markdown: systems with the best first, then taggers, pseudo-labels and decode.

Every table names its data set in its first cell, and no table holds two of them, so that numbers of
the demo world are never read as numbers of TAU. Log-loss and accuracy are macro averages.
"""

import math
from collections.abc import Mapping
from typing import Any

from avsc.escaping import markdown as markdown_cell

BEGIN, END = "<!-- results -->", "<!-- /results -->"

# A column: its header, where its number lies in the JSON file, how it is shown, its maximum.
Column = tuple[str, tuple[str, ...], str, float]
SYSTEM: list[Column] = [
    ("segment log-loss", ("segment", "log_loss"), "{:.3f}", math.inf),
    ("segment accuracy", ("segment", "accuracy"), "{:.1%}", 1.0),
    ("clip log-loss", ("clip", "log_loss"), "{:.3f}", math.inf),
    ("clip accuracy", ("clip", "accuracy"), "{:.1%}", 1.0),
]
TAGGER: list[Column] = [
    ("mAP", ("mAP",), "{:.3f}", 1.0),
    ("mAP by chance", ("chance",), "{:.3f}", 1.0),
    ("training loss", ("train_loss",), "{:.3f}", math.inf),
]
LABELS: list[Column] = [
    ("labels an item", ("labels_per_item",), "{:.1f}", math.inf),
    ("classes used", ("classes_used",), "{:g}", math.inf),
    ("precision", ("precision",), "{:.3f}", 1.0),
    ("recall", ("recall",), "{:.3f}", 1.0),
    ("mAP", ("mAP",), "{:.3f}", 1.0),
    ("mAP by chance", ("chance",), "{:.3f}", 1.0),
]
CLIPS: list[Column] = [
    ("clips", ("clips",), "{:g}", math.inf),
    ("quarantined", ("quarantined",), "{:g}", math.inf),
]


def markdown(found: Mapping[str, Any]) -> str:
    """Return the tables.

    Args:
        found: {name: scores} of systems and stages, each with the name of its "data". What a record
            is, its shape tells; one of another shape is left out.

    Raises:
        ValueError: if nothing is left, if a score is no number of its range, or if a system lacks
            one or the name of its data set.
    """
    files = {name: m for name, m in found.items() if isinstance(m, Mapping)}
    systems = {name: m for name, m in files.items() if "clip" in m}
    for name, m in systems.items():
        _check_whole(name, m)
        _check(name, m, SYSTEM)
    ranked = dict(sorted(systems.items(), key=lambda item: (*_losses(item[1]), item[0])))
    taggers = {name: m for name, m in sorted(files.items()) if "train_loss" in m}
    labels = {
        kind: {"data": m.get("data"), **_part(name, m, kind)}
        for name, m in files.items()
        if "events" in m
        for kind in ("events", "objects")
    }
    decoded = {name: m for name, m in sorted(files.items()) if "quarantined" in m}
    for some, columns in ((taggers, TAGGER), (decoded, CLIPS)):
        for name, m in some.items():
            _check(name, m, columns)
    tables = [
        *_tables("systems on the test fold", ranked, SYSTEM),
        *_tables("taggers on held-out items", taggers, TAGGER),
        *_tables("pseudo-labels", labels, LABELS),
        *_tables("media", decoded, CLIPS),
    ]
    if not tables:
        raise ValueError(f"none of {len(found)} metrics files holds scores; run `dvc repro` first")
    return "\n\n".join(tables)


def _part(name: str, m: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    part = m.get(kind)
    if not isinstance(part, Mapping):
        raise ValueError(f"metrics of {name!r} have no scores of {kind}; run `dvc repro`")
    _check(name, part, LABELS)
    return part


def _check(name: str, m: Mapping[str, Any], columns: list[Column]) -> None:
    """Refuse what is there and no number of its range; NaN is in none."""
    for _, path, _, most in columns:
        value = _value(m, path)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and math.isfinite(value) and 0 <= value <= most):
            expected = "from 0 on" if most == math.inf else f"from 0 to {most:g}"
            raise ValueError(
                f"metrics of {name!r}: {'.'.join(path)} is {value!r}, expected a number "
                f"{expected}; run `dvc repro`"
            )


def _check_whole(name: str, m: Mapping[str, Any]) -> None:
    """Refuse a system whose scores are not all there; only "segment" may be absent, as a whole."""
    wanted = [("data",), *(path for _, path, *_ in SYSTEM if path[0] in m)]
    if absent := [".".join(path) for path in wanted if _value(m, path) is None]:
        raise ValueError(
            f"metrics of {name!r} lack {', '.join(absent)}; run `dvc repro -f score@{name}`"
        )


def _losses(m: Mapping[str, Any]) -> tuple[float, float]:
    segment, clip = (_value(m, (items, "log_loss")) for items in ("segment", "clip"))
    return math.inf if segment is None else segment, clip


def _value(m: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = m
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _tables(title: str, rows: Mapping[str, Mapping[str, Any]], columns: list[Column]) -> list[str]:
    """Return a table of the rows of each data set."""
    sets = sorted({str(m.get("data")) for m in rows.values()})
    headers = " | ".join(header for header, *_ in columns)
    return [
        "\n".join(
            [
                f"| {markdown_cell(data)}: {title} | {headers} |",
                f"|---|{'--:|' * len(columns)}",
                *(_row(name, m, columns) for name, m in rows.items() if str(m.get("data")) == data),
            ]
        )
        for data in sets
    ]


def _row(name: str, m: Mapping[str, Any], columns: list[Column]) -> str:
    values = ((_value(m, path), form) for _, path, form, _ in columns)
    cells = ["-" if value is None else form.format(value) for value, form in values]
    return f"| {markdown_cell(name.rpartition('/')[2])} | {' | '.join(cells)} |"


def block(page: str) -> str:
    """Return what stands between the two marks of `page`.

    Raises:
        ValueError: if `page` does not have each mark once, in their order.
    """
    return _parts(page)[1].strip("\n")


def replaced(page: str, results: str) -> str:
    """Return `page` with `results` between its two marks.

    Raises:
        ValueError: if `page` does not have each mark once, in their order.
    """
    before, _, after = _parts(page)
    return f"{before}{BEGIN}\n{results}\n{END}{after}"


def _parts(page: str) -> tuple[str, str, str]:
    before, _, rest = page.partition(BEGIN)
    between, _, after = rest.partition(END)
    if [page.count(mark) for mark in (BEGIN, END)] != [1, 1] or END in before:
        raise ValueError(
            f"the page has {page.count(BEGIN)} {BEGIN} and {page.count(END)} {END}, expected one "
            "of each in this order; put them where the tables belong"
        )
    return before, between, after
