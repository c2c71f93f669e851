"""Maps of what was learned: of the rows of the test fold, or of classes of events and objects."""

from collections.abc import Mapping, Sequence

from avsc.reporting import figures
from avsc.reporting.blocks import Block, Note, Record, Results, Section

DRAWN = (
    "What a system learned, flattened by t-SNE: near means alike, axes mean nothing. Point at a "
    "mark to read its name; the buttons switch groups on and off."
)

Points = dict[str, list[tuple[str, float, float]]]


def maps(
    results: Results, names: Sequence[str], scene: Mapping[str, str], data: str, *, limit: int
) -> Section | None:
    """Return a figure for each map.

    Args:
        results: metrics/maps/<name>.csv among them.
        names: of the maps.
        scene: {clip_id: scene_label} of the test fold.
        data: name of the data set.
        limit: points drawn of a map, evenly taken from its rows.
    """
    options = [n for n in names if f"metrics/maps/{n}.csv" in results.files]
    blocks = []
    for name in options:
        path, when = f"metrics/maps/{name}.csv", {"map": name}
        rows = results.rows(path)
        step = -(-len(rows) // limit)
        drawn = rows[::step]
        points = _of_classes(drawn) if "kind" in rows[0].fields else _of_rows(drawn, scene)
        figure = figures.scatter(points, f"{data} · {name}", path)
        blocks.append(Block(figure, when, wide=True))
        if step > 1:
            blocks.append(Block(Note("The map has more points; these are evenly spaced."), when))
    return Section("maps", "Maps", DRAWN, blocks, "map", options) if blocks else None


def _of_classes(rows: Sequence[Record]) -> Points:
    groups: Points = {}
    for r in rows:
        point = (r["name"], float(r["x"]), float(r["y"]))
        groups.setdefault(r["kind"], []).append(point)
    return groups


def _of_rows(rows: Sequence[Record], scene: Mapping[str, str]) -> Points:
    groups: Points = {label: [] for label in sorted(set(scene.values()))}
    for r in rows:
        name = f"{r['clip_id']}, second {r['segment']}"
        point = (name, float(r["x"]), float(r["y"]))
        groups.setdefault(scene.get(r["clip_id"], "no label"), []).append(point)
    return {group: points for group, points in groups.items() if points}
