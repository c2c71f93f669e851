"""What the systems stand on: media decoded, taggers trained, labels of events and objects."""

from collections.abc import Mapping, Sequence

from avsc.reporting.blocks import Block, Record, Results, Section, Table

LEAD = (
    "How many clips there are, how well the taggers do on items held out, and how dense and how "
    "true the labels are that they give."
)
CLIPS = {"clips": "count", "quarantined": "count"}
TAGGER = {"mAP": "share", "chance": "share", "train_loss": "loss"}
LABELS = {
    "labels_per_item": "share",
    "classes_used": "count",
    "precision": "share",
    "recall": "share",
    "mAP": "share",
    "chance": "share",
}


def inputs(results: Results, taggers: Sequence[str], data: str) -> Section | None:
    """Return the numbers of decode, pretrain and pseudo_label."""
    decoded = results.record("metrics/decode.json")
    labels = results.record("metrics/pseudo_labels.json")
    trained = {t: r for t in taggers if (r := results.record(f"metrics/pretrain/{t}.json"))}
    tables = [
        _table(f"{data} · media", {"decode": decoded} if decoded else {}, CLIPS),
        _table(f"{data} · taggers, on held-out items", trained, TAGGER),
        Table(
            f"{data} · pseudo-labels",
            ["", *(c.replace("_", " ") for c in LABELS)],
            [
                [kind, *(labels.number(f"{kind}/{c}", form) for c, form in LABELS.items())]
                for kind in ("events", "objects")
                if labels and kind in labels.fields
            ],
        ),
    ]
    blocks = [Block(t.trimmed()) for t in tables if t.rows]
    return Section("inputs", "Inputs", LEAD, blocks) if blocks else None


def _table(caption: str, records: Mapping[str, Record], columns: Mapping[str, str]) -> Table:
    rows = [[name, *(r.number(c, f) for c, f in columns.items())] for name, r in records.items()]
    return Table(caption, ["", *(c.replace("_", " ") for c in columns)], rows)
