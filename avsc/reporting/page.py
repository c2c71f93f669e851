"""One page that holds everything: tables, Plotly figures, pictures and the script that shows them.

It asks nothing of any network, and its content security policy would not let it: scripts run by
their digests alone, so that a name that came through as markup would still be no script.
"""

import base64
import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from avsc.reporting import analyses, maps, systems, tagging
from avsc.reporting.blocks import Record, Results, Section

HERE = Path(__file__).parent
SCRIPTS = ("early.js", "clips.js", "page.js")
TABLES = ("intervals", "per_class", "confusion", "history", "calibration", "places")
NAMED = {
    "pretrain": ["pretrain/{}.csv"],
    "compare": ["compare/{}.csv"],
    "fusion": ["fusion/{}.csv", "fusion/{}_clips.csv"],
    "robustness": ["robustness/{}.csv"],
    "study": ["studies/{}.csv", "studies/{}_per_class.csv"],
    "map": ["maps/{}.csv"],
}

Names = Mapping[str, Sequence[str]]


def files(names: Names) -> Iterator[str]:
    """Return the paths under metrics/ that the page shows where they are there.

    Args:
        names: entries of each section of params.yaml that NAMED names, and under "systems" the
            experiments and ensembles. What is not named, such as what an earlier run left behind,
            is not shown.
    """
    yield from ("decode.csv", "pseudo_labels.csv")
    for system in names["systems"]:
        yield f"{system}.json"
        yield from (f"{system}/{table}.csv" for table in TABLES)
    for section, patterns in NAMED.items():
        yield from (pattern.format(name) for name in names[section] for pattern in patterns)


def published() -> list[Record]:
    """Return what papers and the challenge report, all of TAU."""
    with (HERE / "published.csv").open(newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    return [Record(f"avsc/reporting/published.csv#/{i}", row) for i, row in enumerate(rows)]


def render(
    results: Results,
    *,
    data: str,
    names: Names,
    labels: Sequence[Mapping[str, str]],
    browser: Mapping[str, Any],
    map_points: int,
) -> str:
    """Return the page.

    Args:
        results: what `files` names.
        data: name of the data set that every number of ours is of.
        names: as in `files`.
        labels: clip_id and scene_label of the clips of the test fold.
        browser: "scenes" of the probabilities' columns, "systems" by name, and "clips", entries of
            `clips.entry`.
        map_points: points drawn of a map at most.

    Raises:
        ValueError: if a file is of another data set.
    """
    results.check(data)
    scene = {r["clip_id"]: r["scene_label"] for r in labels}
    ours = names["systems"]
    sections: list[Section | None] = [
        systems.leaderboard(results, ours, published(), data),
        systems.each(results, ours, data),
        analyses.comparisons(results, names["compare"], data),
        analyses.fusion(results, names["fusion"], data),
        analyses.robustness(results, names["robustness"], data),
        analyses.studies(results, names["study"], data),
        maps.maps(results, names["map"], scene, data, limit=map_points),
        tagging.inputs(results, names["pretrain"], data),
    ]
    return _html([s for s in sections if s], data, browser)


def _html(sections: Sequence[Section], data: str, browser: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    early, *others = [(HERE / name).read_text("utf-8") for name in SCRIPTS]
    scripts = [early, get_plotlyjs(), *others]
    figures = {f"{s.name}-{i}": f.plot for s in sections for i, f in s.figures()}
    return environment.get_template("page.html").render(
        data=data,
        sections=sections,
        shown={c["about"]["clip_id"] for c in browser["clips"]},
        protocols=systems.PROTOCOLS,
        figures=island(figures),
        browser=island(browser),
        style=Markup((HERE / "page.css").read_text("utf-8")),
        scripts=[Markup(s) for s in scripts],
        digests=" ".join(digest(s) for s in scripts),
    )


def island(value: Any) -> Markup:
    """Return JSON that no HTML parser takes for markup, whatever its strings hold."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def digest(script: str) -> str:
    """Return what a content security policy calls a script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
