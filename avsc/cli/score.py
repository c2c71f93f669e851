"""avsc score: predictions from elsewhere, under both protocols."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from avsc import escaping
from avsc.artifacts import prediction_tables
from avsc.artifacts.prediction_tables import PredictionTable
from avsc.cli.telling import stop
from avsc.scoring.protocol import Scores, report

ROUNDING = 0.011  # rows of 3 decimals sum to 0.99 to 1.01


def score(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="predictions, tsv")],
    *,
    labels: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="csv of the test fold with scene_label"),
    ] = None,
    floor: Annotated[float, typer.Option(help="probabilities are clipped to it")] = 1e-15,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Score predictions of the official baseline, a challenge submission or the SJTU course."""
    try:
        found = score_file(file, labels, floor=floor)
    except ValueError as error:
        stop(error)
    typer.echo(json.dumps(asdict(found), indent=2) if as_json else escaping.terminal(_text(found)))


@dataclass(frozen=True)
class FileScores:
    """Scores of a prediction file, by protocol, and how they came about.

    Attributes:
        file: path.
        truth: where the true scenes come from.
        chosen: where the classes come from that accuracy counts.
        floor: of the probabilities.
        rows: number of rows of the file.
        rounded: rows whose sum is not 1 within 1e-6.
        overruled: rows whose stated class is not the first of the largest probabilities.
        scores: rows are clipped, then divided by their sums; accuracy counts the stated class.
        as_written: the same without dividing rows by their sums.
        most_probable: the same, accuracy counting the first of the largest probabilities.
    """

    file: str
    truth: str
    chosen: str
    floor: float
    rows: int
    rounded: int
    overruled: int
    scores: dict[str, Scores]
    as_written: dict[str, dict[str, float]]
    most_probable: dict[str, dict[str, float]]


def score_file(file: Path, labels: Path | None = None, *, floor: float = 1e-15) -> FileScores:
    """Return the scores of a prediction file.

    Args:
        file: see `artifacts.prediction_tables`.
        labels: csv of the test fold; without it the file itself says which clips there are, and
            its column of truth or its clip names say of which scene.
        floor: probabilities are clipped to [floor, 1 - floor].

    Raises:
        ValueError: files that cannot be read, or that do not fit each other.
    """
    known = prediction_tables.read_labels(labels) if labels else {}
    table = prediction_tables.read(file, clips=known)
    truth, source = _truth(table, known, labels)
    largest = table.probs.argmax(axis=1)
    stated = largest if table.stated is None else table.stated
    return FileScores(
        file=str(file),
        truth=source,
        chosen="the largest probability" if table.stated is None else "the file's own column",
        floor=floor,
        rows=len(table.probs),
        rounded=int((abs(table.probs.sum(axis=1) - 1) > 1e-6).sum()),
        overruled=int((stated != largest).sum()),
        scores=_report(table, truth, stated, floor=floor),
        as_written=_values(
            _report(table, truth, stated, floor=floor, renormalise=False), "log_loss"
        ),
        most_probable=_values(_report(table, truth, largest, floor=floor), "accuracy"),
    )


def _truth(
    table: PredictionTable, known: Mapping[str, str], labels: Path | None
) -> tuple[Mapping[str, str], str]:
    if not labels:
        if table.truth:
            return table.truth, "the file's column scene_label"
        clips = dict.fromkeys(table.clip_id)
        named = {c: prediction_tables.scene_in_name(c, table.classes) for c in clips}
        return named, "the clip names (an absent clip would go unnoticed; --labels would tell)"
    if bad := [c for c, scene in (table.truth or {}).items() if known.get(c, scene) != scene]:
        raise ValueError(
            f"{labels} and the file's column scene_label differ for {len(bad)} clips, the first "
            f"{bad[0]!r}; expected the same scenes: are both of one fold?"
        )
    return known, str(labels)


def _report(
    table: PredictionTable, truth: Mapping[str, str], predicted: np.ndarray, **options: Any
) -> dict[str, Scores]:
    scores = report(
        table.clip_id,
        table.segment,
        table.probs,
        truth=truth,
        classes=table.classes,
        segments=1 if table.segment is None else int(table.segment.max()) + 1,
        predicted=predicted,
        atol=ROUNDING,
        **options,
    )
    # the evaluation set's 0.wav, 1.wav ... are one-second segments of nobody knows which clips
    isolated = table.segment is None and all(clip.isdecimal() for clip in table.clip_id)
    return {"segment": scores["clip"]} if isolated else scores


def _values(scores: Mapping[str, Scores], metric: str) -> dict[str, dict[str, float]]:
    names = (f"{metric}_macro", f"{metric}_micro")
    return {p: {name: getattr(s, name) for name in names} for p, s in scores.items()}


def _text(found: FileScores) -> str:
    lines = [
        f"{found.file}: {found.rows} rows",
        f"truth: {found.truth}",
        f"chosen class: {found.chosen}; {found.overruled} rows have a larger or earlier equal "
        "probability",
        f"row sums: {found.rounded} rows are not 1 within 1e-6; floor {found.floor:g}",
    ]
    for protocol, scores in found.scores.items():
        lines += ["", f"{protocol} protocol, {scores.items} {protocol}s", *_table(found, protocol)]
    return "\n".join(lines)


def _table(found: FileScores, protocol: str) -> list[str]:
    scores = found.scores[protocol]
    written, largest = found.as_written[protocol], found.most_probable[protocol]
    width = max(24, *(len(str(row["scene_label"])) for row in scores.per_class))
    values = [
        ("log-loss", scores.log_loss_macro, scores.log_loss_micro),
        ("log-loss, rows as written", *written.values()),
        ("accuracy", scores.accuracy_macro, scores.accuracy_micro),
        ("accuracy, most probable", *largest.values()),
    ]
    columns = ("precision", "recall", "f1", "log_loss")
    return [
        f"{'':{width}}     macro     micro",
        *(f"{name:{width}} {macro:9.4f} {micro:9.4f}" for name, macro, micro in values),
        "",
        f"{'':{width}} {' '.join(f'{c:>9}' for c in (*columns, 'support'))}",
        *(
            f"{row['scene_label']:{width}} "
            f"{' '.join(_cell(row[c]) for c in columns)} {row['support']:9}"
            for row in scores.per_class
        ),
    ]


def _cell(value: str | int | float | None) -> str:
    return f"{'-':>9}" if value is None else f"{value:9.4f}"
