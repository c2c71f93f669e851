"""The two test protocols: one-second segments on their own, and whole clips.

Segment protocol (official, DCASE 2021 task 1B): every one-second segment is an item of its own.
Clip protocol: the probabilities of a clip's segments are averaged, then the clip is an item.

Which clips and segments there are is given, never read off the predictions: an absent segment is
an error, and a quarantined clip (its file could not be decoded) stays in the test as a wrong
answer: the uniform distribution in the log-loss, the predicted class `(none)` elsewhere.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from avsc.scoring import metrics
from avsc.scoring.alignment import Answers, align

NO_ANSWER = "(none)"


@dataclass(frozen=True)
class Scores:
    """Scores of one protocol; the tables are rows for a csv or JSON file.

    Attributes:
        items: number of segments or clips, quarantined ones included.
        quarantined: how many of them got no answer.
        per_class: scene_label, precision, recall, f1, support, log_loss (None without items).
        confusion: scene_label, predicted, count: a row for every pair of classes, and for
            `(none)` where items are quarantined.
    """

    items: int
    quarantined: int
    log_loss_macro: float
    log_loss_micro: float
    accuracy_macro: float
    accuracy_micro: float
    per_class: list[dict[str, str | int | float | None]]
    confusion: list[dict[str, str | int]]


def report(
    clip_id: Sequence[str],
    segment: Int[np.ndarray, " row"] | None,
    probs: Float[np.ndarray, "row scene"],
    *,
    truth: Mapping[str, str],
    classes: Sequence[str],
    segments: int | Mapping[str, int] = 10,
    quarantined: Collection[str] = (),
    predicted: Int[np.ndarray, " row"] | None = None,
    floor: float = metrics.FLOOR,
    atol: float = 1e-6,
    renormalise: bool = True,
) -> dict[str, Scores]:
    """Return the scores under "segment" and "clip"; "clip" alone where rows are whole clips.

    Args:
        clip_id: clip of each row; rows may come in any order.
        segment: second of the clip that a row stands for, from 0; None where rows are clips.
        probs: one column for each of `classes`.
        truth: scene_label of every clip of the test fold, quarantined ones included.
        classes: scene_label of each column.
        segments: number of segments of every clip, or by clip; unused where rows are clips.
        quarantined: clips that could not be decoded; they have no rows.
        predicted: class that the system states for each row; by default the most probable one.
        floor: as in `metrics.log_losses`.
        atol: as in `metrics.validate`.
        renormalise: as in `metrics.log_losses`.

    Raises:
        ValueError: rows that are absent, there twice, of an unknown or a quarantined clip;
            labels outside `classes`; rows that are no distributions.
    """
    answers = align(
        clip_id,
        segment,
        probs,
        truth=truth,
        classes=classes,
        segments=1 if segment is None else segments,
        quarantined=quarantined,
        predicted=predicted,
        atol=atol,
    )
    protocols = {"segment": segment_items(answers), "clip": clip_items(answers)}
    if segment is None:
        protocols = {"clip": segment_items(answers)}  # keeps what the system states for a clip
    return {
        name: _score(*items, classes, floor=floor, renormalise=renormalise)
        for name, items in protocols.items()
    }


def headline(scores: Mapping[str, Scores]) -> dict[str, dict[str, float]]:
    """Return the macro log-loss and the macro accuracy of each protocol of a `report`."""
    names = ("log_loss_macro", "accuracy_macro")
    return {p: {name: getattr(s, name) for name in names} for p, s in scores.items()}


def evaluate(
    clip_id: Sequence[str],
    segment: Int[np.ndarray, " row"] | None,
    probs: Float[np.ndarray, "row scene"],
    *,
    truth: Mapping[str, str],
    classes: Sequence[str],
    segments: int | Mapping[str, int] = 10,
    quarantined: Collection[str] = (),
) -> dict[str, dict[str, float]]:
    """Return the headline of the `report`, by protocol; arguments as there."""
    return headline(
        report(
            clip_id,
            segment,
            probs,
            truth=truth,
            classes=classes,
            segments=segments,
            quarantined=quarantined,
        )
    )


Items = tuple[Int[np.ndarray, " item"], Float64[np.ndarray, "item scene"], Int[np.ndarray, " item"]]


def segment_items(answers: Answers) -> Items:
    """Return targets, probs and predicted of the segment protocol."""
    return np.repeat(answers.targets, answers.lengths), answers.probs, answers.predicted


def clip_items(answers: Answers) -> Items:
    """Return targets, probs (means over the clip's segments) and predicted of the clip protocol."""
    starts = answers.lengths.cumsum() - answers.lengths
    probs = np.add.reduceat(answers.probs, starts) / answers.lengths[:, None]
    predicted = np.where(answers.predicted[starts] == metrics.NONE, metrics.NONE, probs.argmax(1))
    return answers.targets, probs, predicted


def _score(
    targets: Int[np.ndarray, " item"],
    probs: Float64[np.ndarray, "item scene"],
    predicted: Int[np.ndarray, " item"],
    classes: Sequence[str],
    *,
    floor: float,
    renormalise: bool,
) -> Scores:
    losses = metrics.log_losses(targets, probs, floor=floor, renormalise=renormalise)
    return Scores(
        items=len(targets),
        quarantined=int((predicted == metrics.NONE).sum()),
        log_loss_macro=metrics.macro(targets, losses),
        log_loss_micro=float(losses.mean()),
        accuracy_macro=metrics.accuracy_macro(targets, predicted),
        accuracy_micro=metrics.accuracy_micro(targets, predicted),
        per_class=_class_rows(targets, predicted, losses, classes),
        confusion=_confusion_rows(targets, predicted, classes),
    )


def _class_rows(
    targets: Int[np.ndarray, " item"],
    predicted: Int[np.ndarray, " item"],
    losses: Float64[np.ndarray, " item"],
    classes: Sequence[str],
) -> list[dict[str, str | int | float | None]]:
    columns = metrics.per_class(targets, predicted, scenes=len(classes))
    rows = []
    for i, scene in enumerate(classes):
        own = losses[targets == i]
        shares = {name: column[i].item() for name, column in columns.items()}
        loss = float(own.mean()) if own.size else None
        rows.append({"scene_label": scene, **shares, "log_loss": loss})
    return rows


def _confusion_rows(
    targets: Int[np.ndarray, " item"], predicted: Int[np.ndarray, " item"], classes: Sequence[str]
) -> list[dict[str, str | int]]:
    counts = metrics.confusion(targets, predicted, scenes=len(classes))
    columns = [*classes, NO_ANSWER] if counts[:, -1].any() else classes
    return [
        {"scene_label": scene, "predicted": column, "count": int(counts[i, j])}
        for i, scene in enumerate(classes)
        for j, column in enumerate(columns)
    ]
