"""Predictions laid out in the order of the test fold, so that nothing is lost or counted twice."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from avsc.scoring import metrics


@dataclass(frozen=True)
class Answers:
    """The test fold and its predictions, clip after clip in the order of the labels.

    Attributes:
        targets: class of each clip.
        lengths: number of segments of each clip.
        probs: one row a segment of a clip; uniform where the clip is quarantined.
        predicted: class of each segment; metrics.NONE where the clip is quarantined.
    """

    targets: Int[np.ndarray, " clip"]
    lengths: Int[np.ndarray, " clip"]
    probs: Float64[np.ndarray, "segment scene"]
    predicted: Int[np.ndarray, " segment"]


def align(
    clip_id: Sequence[str],
    segment: Int[np.ndarray, " row"] | None,
    probs: Float[np.ndarray, "row scene"],
    *,
    truth: Mapping[str, str],
    classes: Sequence[str],
    segments: int | Mapping[str, int],
    quarantined: Collection[str],
    predicted: Int[np.ndarray, " row"] | None,
    atol: float,
) -> Answers:
    """Return the rows in the order of the fold; arguments and errors as `protocol.report`."""
    _validate_shapes(clip_id, segment, probs, classes)
    targets = _targets(truth, classes)
    lengths = _lengths(truth, segments)
    if unknown := sorted(set(quarantined) - set(truth)):
        raise ValueError(
            f"{len(unknown)} quarantined clips have no label, the first {unknown[0]!r}; expected "
            "clips of the test fold: give the labels of every clip, decoded or not"
        )
    silent = np.array([clip in set(quarantined) for clip in truth])
    slot = _slots(clip_id, segment, truth=truth, lengths=lengths, silent=silent)
    if not silent.all():
        metrics.validate(np.repeat(targets, lengths)[slot], probs, atol=atol)
    answer = probs.argmax(axis=1) if predicted is None else predicted
    metrics.validate_index("predicted", answer, low=0, high=len(classes))
    all_probs = np.full((lengths.sum(), len(classes)), 1 / len(classes))
    all_predicted = np.full(lengths.sum(), metrics.NONE)
    all_probs[slot] = probs
    all_predicted[slot] = answer
    return Answers(targets, lengths, all_probs, all_predicted)


def _validate_shapes(
    clip_id: Sequence[str],
    segment: Int[np.ndarray, " row"] | None,
    probs: Float[np.ndarray, "row scene"],
    classes: Sequence[str],
) -> None:
    rows = len(clip_id) if segment is None else len(segment)
    if probs.shape != (len(clip_id), len(classes)) or rows != len(clip_id):
        raise ValueError(
            f"probs has shape {probs.shape}, with {len(clip_id)} clip ids, {rows} segments and "
            f"{len(classes)} classes; expected one row an id and one column a class"
        )


def _targets(truth: Mapping[str, str], classes: Sequence[str]) -> Int[np.ndarray, " clip"]:
    index = {scene: i for i, scene in enumerate(classes)}
    if not truth or len(index) != len(classes):
        raise ValueError(
            f"found {len(truth)} labels and {len(classes)} classes ({len(index)} different), "
            "expected at least one label and no class twice; check the labels and the columns"
        )
    if unknown := sorted({clip for clip, scene in truth.items() if scene not in index}):
        raise ValueError(
            f"{len(unknown)} of {len(truth)} labels are no class of the predictions, the first "
            f"{truth[unknown[0]]!r} of {unknown[0]!r}; expected one of {', '.join(classes)}: "
            "are predictions and labels of one data set?"
        )
    return np.array([index[scene] for scene in truth.values()])


def _lengths(
    truth: Mapping[str, str], segments: int | Mapping[str, int]
) -> Int[np.ndarray, " clip"]:
    lengths = {c: segments if isinstance(segments, int) else segments.get(c, 0) for c in truth}
    if wrong := [clip for clip, length in lengths.items() if length < 1]:
        raise ValueError(
            f"{len(wrong)} of {len(truth)} clips have no number of segments, the first "
            f"{wrong[0]!r}; expected 1 or more for every labelled clip, quarantined ones too"
        )
    return np.array(list(lengths.values()))


def _slots(
    clip_id: Sequence[str],
    segment: Int[np.ndarray, " row"] | None,
    *,
    truth: Mapping[str, str],
    lengths: Int[np.ndarray, " clip"],
    silent: Bool[np.ndarray, " clip"],
) -> Int[np.ndarray, " row"]:
    """Return each row's place in the fold, or raise: every place is wanted exactly once."""
    row_clip = _row_clips(clip_id, truth, silent)
    second = np.zeros(len(row_clip), dtype=int) if segment is None else segment
    if (bad := np.flatnonzero((second < 0) | (second >= lengths[row_clip]))).size:
        raise ValueError(
            f"clip {clip_id[bad[0]]!r} has a row for segment {second[bad[0]]} ({bad.size} such "
            f"rows), expected 0 to {lengths[row_clip[bad[0]]] - 1}; "
            "check the number of segments a clip"
        )
    slot = (lengths.cumsum() - lengths)[row_clip] + second
    found = np.bincount(slot, minlength=lengths.sum())
    _every_place_once(found, np.repeat(~silent, lengths), truth, lengths)
    return slot


def _row_clips(
    clip_id: Sequence[str], truth: Mapping[str, str], silent: Bool[np.ndarray, " clip"]
) -> Int[np.ndarray, " row"]:
    place = {clip: i for i, clip in enumerate(truth)}
    if unknown := [clip for clip in dict.fromkeys(clip_id) if clip not in place]:
        raise ValueError(
            f"{len(unknown)} predicted clips have no label, the first {unknown[0]!r}; expected "
            f"only the {len(truth)} labelled clips: are predictions and labels of one fold?"
        )
    row_clip = np.array([place[clip] for clip in clip_id], dtype=int)
    if (bad := np.flatnonzero(silent[row_clip])).size:
        raise ValueError(
            f"clip {clip_id[bad[0]]!r} is quarantined and has a row ({bad.size} such rows), "
            "expected none; take it out of the quarantine or the predictions"
        )
    return row_clip


def _every_place_once(
    found: Int[np.ndarray, " segment"],
    wanted: Bool[np.ndarray, " segment"],
    truth: Mapping[str, str],
    lengths: Int[np.ndarray, " clip"],
) -> None:
    clip = np.repeat(np.arange(len(lengths)), lengths)
    second = np.arange(len(clip)) - np.repeat(lengths.cumsum() - lengths, lengths)
    names = list(truth)
    if (bad := np.flatnonzero(found > 1)).size:
        raise ValueError(
            f"{bad.size} segments have more than one row, the first segment {second[bad[0]]} of "
            f"{names[clip[bad[0]]]!r} with {found[bad[0]]}; expected one row each: "
            "was the file written twice?"
        )
    if (bad := np.flatnonzero(wanted & (found == 0))).size:
        raise ValueError(
            f"{bad.size} of {wanted.sum()} segments have no row, the first segment "
            f"{second[bad[0]]} of {names[clip[bad[0]]]!r}; expected every segment of the fold: "
            "predict what is absent, or quarantine clips that cannot be decoded"
        )
