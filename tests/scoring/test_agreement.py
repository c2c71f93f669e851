import math
from dataclasses import replace

import numpy as np
import pytest

from avsc.scoring import agreement, metrics
from avsc.scoring.protocol import Items

SCENES = ("bus", "park", "tram")
TARGETS = np.array([0, 0, 0, 0, 1])


def system(*predicted):
    """Return a system that gives 1/2 to what it predicts, and 1/4 to the other two."""
    answer = np.array(predicted)
    probs = np.full((len(answer), 3), 0.25)
    probs[np.arange(len(answer)), answer] = 0.5
    return Items(np.arange(len(answer)), TARGETS, probs, answer)


#                      both audio video none both
AUDIO = system(0, 0, 1, 1, 1)
VIDEO = system(0, 2, 0, 2, 1)
FUSED = system(0, 0, 2, 0, 0)
SYSTEMS = {"fused": FUSED, "audio": AUDIO, "video": VIDEO}


def test_an_item_is_in_the_cell_of_the_modalities_that_are_right():
    cells = agreement.cells(AUDIO.right, VIDEO.right)
    assert [agreement.CELLS[c] for c in cells] == [
        "both_right",
        "audio_right",
        "video_right",
        "none_right",
        "both_right",
    ]


def test_a_scene_is_scored_for_each_system_and_counted_in_each_cell():
    bus, park = agreement.by_class(SYSTEMS, SCENES)
    quarter, half = math.log(4), math.log(2)
    assert bus == {
        "scene_label": "bus",
        "items": 4,
        "fused_accuracy": 3 / 4,
        "fused_precision": 3 / 4,
        "fused_f1": 3 / 4,  # 4 answers of bus, 3 of them right, of 4 buses
        "fused_log_loss": pytest.approx((3 * half + quarter) / 4),
        "audio_accuracy": 1 / 2,
        "audio_precision": 1,
        "audio_f1": 2 / 3,
        "audio_log_loss": pytest.approx((2 * half + 2 * quarter) / 4),
        "video_accuracy": 1 / 2,
        "video_precision": 1,
        "video_f1": 2 / 3,
        "video_log_loss": pytest.approx((2 * half + 2 * quarter) / 4),
        "gain": 1 / 4,
        "both_right": 1,
        "both_right_fused": 1,
        "audio_right": 1,
        "audio_right_fused": 1,
        "video_right": 1,
        "video_right_fused": 0,
        "none_right": 1,
        "none_right_fused": 1,
    }
    assert (park["scene_label"], park["items"], park["gain"]) == ("park", 1, -1)
    assert (park["both_right"], park["both_right_fused"]) == (1, 0)


def test_an_item_in_quarantine_is_in_the_cell_of_none():
    lost = np.array([metrics.NONE, 0, 0, 0, 1])
    systems = {name: replace(s, predicted=lost) for name, s in SYSTEMS.items()}
    bus = agreement.by_class(systems, SCENES)[0]
    assert (bus["both_right"], bus["none_right"], bus["none_right_fused"]) == (3, 1, 0)


def test_other_systems_and_other_items_are_refused():
    with pytest.raises(ValueError, match=r"systems are \['audio', 'fused'\], expected"):
        agreement.by_class({"fused": FUSED, "audio": AUDIO}, SCENES)
    other = replace(VIDEO, clip=np.array([0, 0, 1, 2, 3]))
    with pytest.raises(ValueError, match="video and fused answer 5 and 5 items, which are not"):
        agreement.by_class(SYSTEMS | {"video": other}, SCENES)
