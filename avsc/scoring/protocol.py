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
from jaxtyping import Bool, Float, Float64, Int

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


@dataclass(frozen=True)
class Items:
    """What a protocol scores, one row an item, clip after clip in the order of the labels.

    Attributes:
        clip: index of the item's clip among the labels.
        targets: class of each item.
        probs: uniform where the clip is quarantined.
        predicted: class of each item; metrics.NONE where the clip is quarantined.
    """

    clip: Int[np.ndarray, " item"]
    targets: Int[np.ndarray, " item"]
    probs: Float64[np.ndarray, "item scene"]
    predicted: Int[np.ndarray, " item"]

    @property
    def right(self) -> Bool[np.ndarray, " item"]:
        """Return which items are answered right."""
        return self.targets == self.predicted

    @property
    def losses(self) -> Float64[np.ndarray, " item"]:
        """Return the log-loss of each item, as the headline counts it."""
        return metrics.log_losses(self.targets, self.probs)


def items(
    clip_id: Sequence[str],
    segment: Int[np.ndarray, " row"] | None,
    probs: Float[np.ndarray, "row scene"],
    *,
    truth: Mapping[str, str],
    classes: Sequence[str],
    segments: int | Mapping[str, int] = 10,
    quarantined: Collection[str] = (),
    predicted: Int[np.ndarray, " row"] | None = None,
    atol: float = 1e-6,
) -> dict[str, Items]:
    """Return the items of "segment" and "clip"; of "clip" alone where rows are whole clips.

    Args:
        clip_id: clip of each row; rows may come in any order.
        segment: second of the clip that a row stands for, from 0; None where rows are clips.
        probs: one column for each of `classes`.
        truth: scene_label of every clip of the fold, quarantined ones included.
        classes: scene_label of each column.
        segments: number of segments of every clip, or by clip; unused where rows are clips.
        quarantined: clips that could not be decoded; they have no rows.
        predicted: class that the system states for each row; by default the most probable one.
        atol: as in `metrics.validate`.

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
    if segment is None:
        return {"clip": _segments(answers)}  # keeps what the system states for a clip
    return {"segment": _segments(answers), "clip": _clips(answers)}


def scores(
    items: Mapping[str, Items],
    classes: Sequence[str],
    *,
    floor: float = metrics.FLOOR,
    renormalise: bool = True,
) -> dict[str, Scores]:
    """Return the scores of each protocol.

    Args:
        items: of each protocol.
        classes: scene_label of each class.
        floor: as in `metrics.log_losses`.
        renormalise: as in `metrics.log_losses`.
    """
    return {
        name: _score(i, classes, floor=floor, renormalise=renormalise) for name, i in items.items()
    }


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
    """Return the `scores` of the `items`; arguments and errors as there."""
    found = items(
        clip_id,
        segment,
        probs,
        truth=truth,
        classes=classes,
        segments=segments,
        quarantined=quarantined,
        predicted=predicted,
        atol=atol,
    )
    return scores(found, classes, floor=floor, renormalise=renormalise)


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


def _segments(answers: Answers) -> Items:
    clip = np.repeat(np.arange(len(answers.lengths)), answers.lengths)
    return Items(clip, answers.targets[clip], answers.probs, answers.predicted)


def _clips(answers: Answers) -> Items:
    """Return clips, with the means of their segments' probabilities."""
    starts = answers.lengths.cumsum() - answers.lengths
    probs = np.add.reduceat(answers.probs, starts) / answers.lengths[:, None]
    predicted = np.where(answers.predicted[starts] == metrics.NONE, metrics.NONE, probs.argmax(1))
    return Items(np.arange(len(starts)), answers.targets, probs, predicted)


def _score(items: Items, classes: Sequence[str], *, floor: float, renormalise: bool) -> Scores:
    targets, predicted = items.targets, items.predicted
    losses = metrics.log_losses(targets, items.probs, floor=floor, renormalise=renormalise)
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
