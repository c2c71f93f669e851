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
    trained = [r for t in taggers for r in results.rows(f"metrics/pretrain/{t}.csv")]
    tables = [
        _table(f"{data} · media", "data", results.rows("metrics/decode.csv"), CLIPS),
        _table(f"{data} · taggers, on held-out items", "tagger", trained, TAGGER),
        _table(
            f"{data} · pseudo-labels", "kind", results.rows("metrics/pseudo_labels.csv"), LABELS
        ),
    ]
    blocks = [Block(t.trimmed()) for t in tables if t.rows]
    return Section("inputs", "Inputs", LEAD, blocks) if blocks else None


def _table(caption: str, name: str, records: Sequence[Record], columns: Mapping[str, str]) -> Table:
    rows = [[r[name], *(r.number(c, f) for c, f in columns.items())] for r in records]
    return Table(caption, ["", *(c.replace("_", " ") for c in columns)], rows)
