import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsc.scoring import protocol

CLASSES = ["bus", "park"]
TRUTH = {"a": "bus", "b": "park"}
IDS = ["a", "a", "b", "b"]
SEGMENT = np.array([0, 1, 0, 1])
PROBS = np.array([[0.5, 0.5], [1.0, 0.0], [0.75, 0.25], [0.25, 0.75]])


def report(ids=IDS, segment=SEGMENT, probs=PROBS, **changes):
    given = {"truth": TRUTH, "classes": CLASSES, "segments": 2} | changes
    return protocol.report(ids, segment, probs, **given)


def random_fold(seed, *, clips=6, seconds=3, scenes=3):
    rng = np.random.default_rng(seed)
    classes = [f"scene{i}" for i in range(scenes)]
    truth = {f"clip{i}": classes[rng.integers(scenes)] for i in range(clips)}
    ids = [clip for clip in truth for _ in range(seconds)]
    segment = np.tile(np.arange(seconds), clips)
    probs = rng.dirichlet(np.ones(scenes), clips * seconds)
    return ids, segment, probs, {"truth": truth, "classes": classes, "segments": seconds}


def test_segments_are_scored_on_their_own_and_clips_by_mean_probability():
    scores = report()
    # segments: bus ln 2, 0; park ln 4, ln 4/3
    assert scores["segment"].log_loss_macro == pytest.approx(
        (math.log(2) / 2 + (math.log(4) + math.log(4 / 3)) / 2) / 2
    )
    assert scores["segment"].accuracy_macro == pytest.approx((1 + 1 / 2) / 2)
    # clips: means [.75 .25] and [.5 .5]
    assert scores["clip"].log_loss_macro == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    assert scores["clip"].accuracy_macro == pytest.approx(1 / 2)  # the tie goes to the first class
    assert (scores["segment"].items, scores["clip"].items) == (4, 2)


def test_a_clip_of_three_segments_is_scored_by_their_mean_and_not_by_the_median():
    probs = np.array([[0.9, 0.1], [0.3, 0.7], [0.3, 0.7]])  # the median prefers park
    clip = report(["a"] * 3, np.arange(3), probs, truth={"a": "bus"}, segments=3)["clip"]
    assert clip.log_loss_macro == pytest.approx(math.log(2))


def test_micro_values_differ_from_macro_ones_where_clips_differ_in_length():
    scores = report(IDS[:3], SEGMENT[:3], PROBS[:3], segments={"a": 2, "b": 1})["segment"]
    assert scores.log_loss_micro == pytest.approx((math.log(2) + 0 + math.log(4)) / 3)
    assert scores.log_loss_macro == pytest.approx((math.log(2) / 2 + math.log(4)) / 2)
    assert scores.accuracy_micro == pytest.approx(2 / 3)


def test_the_tables_are_rows_for_a_csv():
    scores = report()["segment"]
    assert scores.per_class[1] == {
        "scene_label": "park",
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
        "support": 2,
        "log_loss": pytest.approx((math.log(4) + math.log(4 / 3)) / 2),
    }
    assert scores.confusion == [
        {"scene_label": "bus", "predicted": "bus", "count": 2},
        {"scene_label": "bus", "predicted": "park", "count": 0},
        {"scene_label": "park", "predicted": "bus", "count": 1},
        {"scene_label": "park", "predicted": "park", "count": 1},
    ]


def test_a_class_without_clips_has_no_log_loss_of_its_own():
    probs = np.column_stack([PROBS, np.zeros(4)])
    rows = report(probs=probs, classes=[*CLASSES, "tram"])["clip"].per_class
    assert rows[2]["support"] == 0
    assert rows[2]["log_loss"] is None


def test_evaluate_gives_the_four_headline_scalars():
    full = report()
    assert protocol.evaluate(IDS, SEGMENT, PROBS, truth=TRUTH, classes=CLASSES, segments=2) == {
        name: {"log_loss_macro": s.log_loss_macro, "accuracy_macro": s.accuracy_macro}
        for name, s in full.items()
    }


def test_a_quarantined_clip_stays_in_the_test_as_an_error():
    scores = report(
        truth=TRUTH | {"c": "park"}, quarantined={"c"}, segments={"a": 2, "b": 2, "c": 3}
    )
    assert (scores["segment"].quarantined, scores["segment"].items) == (3, 7)
    assert (scores["clip"].quarantined, scores["clip"].items) == (1, 3)
    # park: ln 4, ln 4/3 and three uniform segments
    park = (math.log(4) + math.log(4 / 3) + 3 * math.log(2)) / 5
    assert scores["segment"].log_loss_macro == pytest.approx((math.log(2) / 2 + park) / 2)
    assert scores["segment"].accuracy_macro == pytest.approx((1 + 1 / 5) / 2)
    assert scores["clip"].accuracy_micro == pytest.approx(1 / 3)
    assert scores["clip"].per_class[1]["support"] == 2
    assert {"scene_label": "park", "predicted": "(none)", "count": 3} in scores["segment"].confusion
    assert {"scene_label": "bus", "predicted": "(none)", "count": 0} in scores["segment"].confusion


def test_a_fold_that_is_quarantined_whole_is_all_wrong():
    scores = report([], np.zeros(0, dtype=int), np.zeros((0, 2)), quarantined=["a", "b"])
    assert scores["clip"].accuracy_macro == 0
    assert scores["clip"].log_loss_macro == pytest.approx(math.log(2))


def test_predictions_of_whole_clips_have_no_segment_protocol():
    scores = report(["b", "a"], None, np.array([[0.25, 0.75], [0.5, 0.5]]))
    assert list(scores) == ["clip"]
    assert scores["clip"].log_loss_macro == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def test_a_stated_class_counts_instead_of_the_most_probable_one():
    stated = np.array([1, 0, 1, 1])
    assert report(predicted=stated)["segment"].accuracy_macro == pytest.approx((1 / 2 + 1) / 2)
    assert report(predicted=stated)["clip"].accuracy_macro == report()["clip"].accuracy_macro
    whole = report(["a", "b"], None, PROBS[:2], predicted=np.array([1, 1]))["clip"]
    assert whole.accuracy_macro == pytest.approx(1 / 2)


def test_rounded_rows_may_be_scored_as_written():
    probs = np.array([[0.5, 0.497], [0.003, 1.0]])
    scores = report(["a", "b"], None, probs, atol=0.01, renormalise=False, floor=1e-3)["clip"]
    assert scores.log_loss_micro == pytest.approx((math.log(2) - math.log(0.999)) / 2)


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_the_order_of_rows_does_not_matter(seed):
    ids, segment, probs, fold = random_fold(seed)
    order = np.random.default_rng(seed).permutation(len(ids))
    shuffled = protocol.report([ids[i] for i in order], segment[order], probs[order], **fold)
    assert shuffled == protocol.report(ids, segment, probs, **fold)


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_clips_of_identical_segments_score_alike_under_both_protocols(seed):
    ids, segment, probs, fold = random_fold(seed)
    scores = protocol.report(ids, segment, np.repeat(probs[::3], 3, axis=0), **fold)
    for name in ("log_loss_macro", "log_loss_micro", "accuracy_macro", "accuracy_micro"):
        assert getattr(scores["clip"], name) == pytest.approx(getattr(scores["segment"], name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"ids": IDS[:3], "segment": SEGMENT[:3], "probs": PROBS[:3]},
            "1 of 4 segments have no row, the first segment 1 of 'b'; .*quarantine",
        ),
        (
            {"segment": np.array([0, 0, 0, 1])},
            "1 segments have more than one row, the first segment 0 of 'a' with 2; expected one",
        ),
        ({"ids": ["a", "a", "z", "z"]}, "1 predicted clips have no label, the first 'z'; expected"),
        (
            {"quarantined": ["b"]},
            r"clip 'b' is quarantined and has a row \(2 such rows\), expected",
        ),
        ({"quarantined": ["z"]}, "1 quarantined clips have no label, the first 'z'; expected"),
        (
            {"segment": np.array([0, 2, 0, 1])},
            r"clip 'a' has a row for segment 2 \(1 such rows\), expected 0 to 1; check",
        ),
        ({"segments": {"a": 2}}, "1 of 2 clips have no number of segments, the first 'b'; expect"),
        ({"segments": 0}, "2 of 2 clips have no number of segments"),
        (
            {"truth": {"a": "bus", "b": "zoo"}},
            "1 of 2 labels are no class .*'zoo' of 'b'; expected",
        ),
        ({"truth": {}}, "found 0 labels and 2 classes .*expected at least one label"),
        ({"classes": ["bus", "bus"]}, r"2 classes \(1 different\), expected .* no class twice"),
        ({"classes": ["bus", "park", "tram"]}, r"shape \(4, 2\), with .* 3 classes; expected one"),
        ({"ids": IDS[:3]}, r"shape \(4, 2\), with 3 clip ids, 4 segments"),
        ({"probs": 4 * PROBS}, r"probs\[0\] sums to 4.0000, not 1 .*softmax"),
        ({"predicted": np.array([0, 0, -1, 0])}, r"predicted\[2\] is -1, expected 0 to 1"),
    ],
)
def test_rows_that_do_not_cover_the_fold_once_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        report(**change)
