"""What an index of the TAU layout holds, and which locations are held out for validation."""

import hashlib
from collections import Counter

import pytest

from avsc.datasets import tau
from tests.datasets.toy_tau import SCENES, TEST, TRAIN, clip, train_clips, with_identifier, write


def test_a_row_holds_files_digests_scene_place_and_split(tmp_path):
    rows = {row.clip_id: row for row in tau.index(write(tmp_path), seed=0)}
    audio, video, _ = TEST[0]
    assert rows["bus-paris-900-9000"] == tau.Row(
        clip_id="bus-paris-900-9000",
        audio=audio,
        video=video,
        audio_sha256=hashlib.sha256(audio.encode()).hexdigest(),
        video_sha256=hashlib.sha256(video.encode()).hexdigest(),
        scene_label="bus",
        city="paris",
        location="paris-900",
        split="test",
    )
    assert len(rows) == len(TRAIN) + len(TEST)


def test_the_order_is_that_of_meta_csv(tmp_path):
    shuffled = sorted(with_identifier([*TRAIN, *TEST]), key=lambda c: c[0][::-1])
    rows = tau.index(write(tmp_path, meta=shuffled), seed=0)
    assert [row.audio for row in rows] == [c[0] for c in shuffled]


def test_without_meta_csv_train_comes_before_test(tmp_path):
    rows = tau.index(write(tmp_path), seed=0)
    assert [row.audio for row in rows] == [c[0] for c in [*TRAIN, *TEST]]


def test_city_and_location_come_from_the_identifier_where_there_is_one(tmp_path):
    clips = [(f"a/{i}.wav", f"v/{i}.mp4", SCENES[i % 3]) for i in range(9)]
    meta = [(*c, f"new-york-{i}") for i, c in enumerate(clips)]
    rows = tau.index(
        write(tmp_path, train=clips[:6], test=clips[6:], evaluate=clips[6:], meta=meta), seed=0
    )
    assert [(row.clip_id, row.city, row.location) for row in rows[7:]] == [
        ("7", "new-york", "new-york-7"),
        ("8", "new-york", "new-york-8"),
    ]


def test_equal_numbers_in_two_cities_are_two_locations(tmp_path):
    test = [clip(scene, "rome", 100 * s, 9000 + s) for s, scene in enumerate(SCENES)]
    rows = tau.index(write(tmp_path, test=test, evaluate=test), seed=0)
    assert {row.location for row in rows if row.split == "test"} == {
        "rome-0",
        "rome-100",
        "rome-200",
    }


@pytest.mark.parametrize(
    "form",
    [{"delimiter": ","}, {"end": "\r\n"}, {"bom": True}, {"delimiter": ",", "bom": True}],
    ids=str,
)
def test_tabs_or_commas_bom_and_crlf_give_the_same_index(tmp_path, form):
    plain = tau.index(write(tmp_path / "plain"), seed=0)
    assert tau.index(write(tmp_path / "other", **form), seed=0) == plain


def test_column_and_fold_names_are_configurable(tmp_path):
    write(tmp_path, header=["sound", "picture", "class"], meta=with_identifier([*TRAIN, *TEST]))
    for path in (tmp_path / "evaluation_setup").iterdir():
        path.rename(path.with_name(path.name.replace("fold1", "fold7")))
    columns = {"audio": "sound", "video": "picture", "scene": "class"}
    rows = tau.index(tmp_path, fold="fold7", columns=columns, seed=0)
    assert len(rows) == len(TRAIN) + len(TEST)


def test_an_mp4_with_its_own_sound_is_both_files_of_its_clip(tmp_path):
    train, test = ([(c[1], c[1], c[2]) for c in clips] for clips in (TRAIN, TEST))
    rows = tau.index(write(tmp_path, train=train, test=test, evaluate=test), seed=0)
    assert rows[0].clip_id == "bus-lisbon-0-0"
    assert all(r.audio == r.video and r.audio_sha256 == r.video_sha256 for r in rows)


def test_labels_of_test_clips_come_from_meta_csv_where_there_is_no_evaluate_csv(tmp_path):
    meta = with_identifier([*TRAIN, *TEST])
    rows = tau.index(write(tmp_path, evaluate=None, meta=meta), seed=0)
    assert [row.scene_label for row in rows if row.split == "test"] == list(SCENES)


def test_the_evaluate_csv_alone_is_enough(tmp_path):
    assert tau.index(write(tmp_path, test=None), seed=0) == tau.index(
        write(tmp_path / "both"), seed=0
    )


def test_clips_of_meta_csv_that_are_in_no_fold_are_left_out(tmp_path):
    meta = with_identifier([*TRAIN, *TEST, clip("zoo", "rome", 7, 7)])
    assert len(tau.index(write(tmp_path, meta=meta), seed=0)) == len(TRAIN) + len(TEST)


def test_the_root_itself_may_be_a_link(tmp_path):
    write(tmp_path / "there")
    (tmp_path / "here").symlink_to(tmp_path / "there")
    assert tau.index(tmp_path / "here", seed=0) == tau.index(tmp_path / "there", seed=0)


def held_out(rows):
    return {row.location for row in rows if row.split == "val"}


def test_a_tenth_of_each_scenes_locations_is_held_out_whole(tmp_path):
    train = train_clips(places=20)
    rows = tau.index(write(tmp_path, train=train), seed=1)
    places = {(row.scene_label, row.location) for row in rows if row.split == "val"}
    assert Counter(scene for scene, _ in places) == dict.fromkeys(SCENES, 2)
    training = {row.location for row in rows if row.split == "train"}
    assert not held_out(rows) & training


def test_one_location_is_held_out_of_a_scene_with_two(tmp_path):
    rows = tau.index(write(tmp_path, train=train_clips(places=2)), seed=0)
    assert Counter(row.scene_label for row in rows if row.split == "val") == dict.fromkeys(
        SCENES, 2
    )


def test_the_seed_decides_which_locations_are_held_out(tmp_path):
    write(tmp_path, train=train_clips(places=20))
    draws = [frozenset(held_out(tau.index(tmp_path, seed=seed))) for seed in range(4)]
    assert len(set(draws)) == 4
    assert held_out(tau.index(tmp_path, seed=0)) == draws[0]


def test_what_is_added_to_one_scene_moves_no_location_of_another(tmp_path):
    before = tau.index(write(tmp_path / "before"), seed=0)
    more = [clip("zoo", "rome", 700 + i, i) for i in range(3)]
    more.append(clip("bus", "lisbon", 0, 8888))  # a further clip of a known place
    after = tau.index(write(tmp_path / "after", train=[*TRAIN[::-1], *more]), seed=0)
    new = {row.location for row in after if row.scene_label == "zoo"}
    assert held_out(after) - new == held_out(before)


def test_a_location_with_two_scenes_sits_on_one_side(tmp_path):
    train = [clip(s, "oslo", place, f"{place}{s}") for s in ("bus", "tram") for place in range(4)]
    train += [clip("park", "oslo", place, place) for place in (2, 3, 4)]
    rows = tau.index(write(tmp_path, train=train), seed=3)
    assert held_out(rows)
    assert not held_out(rows) & {row.location for row in rows if row.split == "train"}
    for split in ("train", "val"):
        assert {row.scene_label for row in rows if row.split == split} == set(SCENES)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1])
def test_a_validation_share_that_leaves_nothing_is_refused(tmp_path, fraction):
    with pytest.raises(ValueError, match=r"val_fraction is .*, expected above 0 and below 1"):
        tau.index(write(tmp_path), val_fraction=fraction, seed=0)


def test_a_scene_with_one_training_location_keeps_it_for_training(tmp_path):
    rows = tau.index(write(tmp_path, train=[*TRAIN, clip("zoo", "rome", 5, 5)]), seed=0)
    assert [r.split for r in rows if r.scene_label == "zoo"] == ["train"]
    assert {r.scene_label for r in rows if r.split == "val"} == set(SCENES)
