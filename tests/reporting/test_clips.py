import base64
import io

import numpy as np
from PIL import Image

from avsc.reporting import clips
from tests.reporting.conftest import LABELS, SYSTEM, clip

SCENES = {f"{scene}-{i}": scene for scene in ("bus", "park") for i in range(5)}


def test_without_a_limit_or_below_it_every_clip_is_chosen():
    assert clips.chosen(SCENES, None) == list(SCENES)
    assert clips.chosen(SCENES, 10) == list(SCENES)


def test_a_limit_takes_as_many_of_each_scene_evenly_spaced():
    assert clips.chosen(SCENES, 4) == ["bus-0", "bus-2", "park-0", "park-2"]


def test_no_more_clips_than_the_limit_are_chosen_of_more_scenes():
    assert clips.chosen(SCENES, 1) == ["bus-0"]


def test_an_entry_has_a_picture_a_second_and_the_sound_as_one():
    entry = clips.entry(clip(LABELS[0]), short_side_px=24, quality=60)
    files = [base64.b64decode(p) for p in [*entry["pictures"], entry["logmel"]]]
    assert [Image.open(io.BytesIO(f)).format for f in files] == ["JPEG"] * 3 + ["PNG"]


def test_tags_are_of_the_classes_that_are_most_probable_somewhere():
    probs = np.array([[0.1, 0.9, 0.2, 0.3, 0.4, 0.5], [0.6, 0.1, 0.0, 0.0, 0.0, 0.0]])
    top = clips._top(clips.Tags(list("abcdef"), probs))
    assert [t["name"] for t in top] == list("bafed")
    assert top[1] == {"name": "a", "probs": [0.1, 0.6]}


def test_probabilities_have_a_row_a_second_or_one_of_the_clip():
    entry = clips.entry(clip(LABELS[0]), short_side_px=24, quality=60)
    assert entry["probs"]["early"] == [[0.75, 0.25], [0.125, 0.875], [0.5, 0.5]]
    assert entry["probs"][SYSTEM] == [[0.25, 0.75]]
