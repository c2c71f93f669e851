"""Which data sets in the TAU layout are refused, and what is said of them."""

import pytest

from avsc.datasets import listing, tau
from tests.datasets.toy_tau import (
    HEADER,
    SCENES,
    TEST,
    TRAIN,
    clip,
    with_identifier,
    write,
    write_csv,
)


def refused(root, **options):
    with pytest.raises(tau.DatasetError) as error:
        tau.index(root, seed=0, **options)
    return error.value


def test_an_unknown_role_of_a_column_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"columns names \['sound'\], expected some of"):
        tau.index(write(tmp_path), columns={"sound": "x"}, seed=0)


def test_every_offender_is_in_one_error(tmp_path):
    train = [*TRAIN, clip("bus", "paris", 900, 1), ("a/x.wav", "../x.mp4", "bus")]
    test = [*TEST, clip("zoo", "rome", 1, 1)]
    write(tmp_path / "data", train=train, test=test, evaluate=test)
    (tmp_path / "data" / TRAIN[0][0]).unlink()
    (tmp_path / "data" / TRAIN[3][1]).unlink()
    error = refused(tmp_path / "data")
    assert {kind: len(found) for kind, found in error.offenders.items()} == {
        "path that leaves the data set's root": 1,
        "file absent": 2,
        "location in train and test": 1,
        "unknown scene": 1,
        "clip without a location": 1,
    }
    message = str(error)
    assert message.startswith(f"{tmp_path / 'data'}: 6 offenders\n")
    assert "file absent (2): put it there, or take its line out of the csv" in message
    assert f"  {TRAIN[0][0]} (evaluation_setup/fold1_train.csv:2)" in message
    assert "  paris-900 (1 clips in train, 1 in test)" in message


def test_a_long_list_is_cut_in_the_message_and_whole_in_the_error(tmp_path):
    write(tmp_path)
    for audio, _, _ in TRAIN[:23]:
        (tmp_path / audio).unlink()
    error = refused(tmp_path)
    assert "file absent (23)" in str(error)
    assert str(error).endswith("  ... and 3 more")
    assert len(error.offenders["file absent"]) == 23


@pytest.mark.parametrize(
    ("part", "what"),
    [("train", "fold1_train.csv"), ("both", "fold1_test.csv or evaluation_setup/fold1_evaluate")],
)
def test_an_absent_fold_csv_is_named(tmp_path, part, what):
    lacking = {"train": None} if part == "train" else {"test": None, "evaluate": None}
    error = refused(write(tmp_path, **lacking))
    assert "fold csv absent (1): put it there" in str(error)
    assert what in error.offenders["fold csv absent"][0]


def test_a_csv_without_the_expected_columns_lists_those_found(tmp_path):
    write(tmp_path)
    write_csv(tmp_path / "evaluation_setup/fold1_train.csv", ["file", "scene_label"], [("a", "b")])
    error = refused(tmp_path)
    assert error.offenders == {
        "csv without the expected columns": [
            "evaluation_setup/fold1_train.csv lacks filename_audio, filename_video; "
            "it has 'file', 'scene_label'"
        ]
    }


@pytest.mark.parametrize("content", [b"", b"filename_audio\tfilename_video\tscene_label\n"])
def test_an_empty_csv_is_named(tmp_path, content):
    (write(tmp_path) / "evaluation_setup/fold1_train.csv").write_bytes(content)
    assert "fold1_train.csv has" in refused(tmp_path).offenders["csv without rows"][0]


def test_a_ragged_row_is_named_with_its_line(tmp_path):
    path = write(tmp_path) / "evaluation_setup/fold1_train.csv"
    path.write_text(path.read_text().replace("\tpark\n", "\n", 1))
    assert refused(tmp_path).offenders == {
        "ragged row": ["evaluation_setup/fold1_train.csv:10 has 2 fields, its header 3"]
    }


@pytest.mark.parametrize("content", ["ä\tb\n".encode("utf-16"), b'a\tb\n"x\ty\n'])
def test_text_that_cannot_be_read_is_named(tmp_path, content):
    (write(tmp_path) / "meta.csv").write_bytes(content)
    assert "meta.csv: " in refused(tmp_path).offenders["text that cannot be read"][0]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/hostname",
        "../x.wav",
        "audio/../../x.wav",
        "audio\\x.wav",
        "C:/x.wav",
        "",
        "a/\x07.wav",
    ],
)
def test_a_path_that_leaves_the_root_is_refused(tmp_path, path):
    write(tmp_path)
    bad = (path, TRAIN[0][1], "bus")
    write_csv(tmp_path / "evaluation_setup/fold1_train.csv", HEADER, [bad, *TRAIN[1:]])
    found = refused(tmp_path).offenders["path that leaves the data set's root"]
    assert found == [f"{path} (evaluation_setup/fold1_train.csv:2)"]


def test_a_link_that_leaves_the_root_is_refused(tmp_path):
    root = write(tmp_path / "data")
    (tmp_path / "outside.wav").write_bytes(b"x")
    (root / TRAIN[0][0]).unlink()
    (root / TRAIN[0][0]).symlink_to(tmp_path / "outside.wav")
    assert list(refused(root).offenders) == ["path that leaves the data set's root"]


def test_a_name_that_is_too_long_for_a_file_is_an_offender_too(tmp_path):
    write(tmp_path)
    bad = ("a" * 300 + ".wav", TRAIN[0][1], "bus")
    write_csv(tmp_path / "evaluation_setup/fold1_train.csv", HEADER, [bad, *TRAIN[1:]])
    assert len(refused(tmp_path).offenders["file that cannot be read"]) == 1


def test_a_file_that_fails_while_it_is_read_is_named(tmp_path):
    def fail(_):
        raise PermissionError(13, "Permission denied")

    found = refused(write(tmp_path), digest=fail).offenders["file that cannot be read"]
    assert f"{TRAIN[0][0]}: Permission denied" in found


def test_one_file_in_two_rows_is_refused(tmp_path):
    again = (TRAIN[0][0].replace("-0.wav", "-5555.wav"), TRAIN[0][1], "bus")
    error = refused(write(tmp_path, train=[*TRAIN, again]))
    assert error.offenders == {
        "one file in two rows": [
            f"{TRAIN[0][1]} (evaluation_setup/fold1_train.csv:2, "
            "evaluation_setup/fold1_train.csv:26)"
        ]
    }


def test_a_repeated_line_is_refused_however_its_path_is_written(tmp_path):
    write(tmp_path)
    again = (f"./{TRAIN[0][0]}", *TRAIN[0][1:])
    write_csv(tmp_path / "evaluation_setup/fold1_train.csv", HEADER, [*TRAIN, again])
    assert list(refused(tmp_path).offenders) == ["one file in two rows"]


def test_a_duplicate_id_is_refused(tmp_path):
    again = (f"more/{TRAIN[0][0]}", "more/x.mp4", "bus")
    error = refused(write(tmp_path, train=[*TRAIN, again]))
    assert error.offenders == {
        "duplicate id": [f"bus-lisbon-0-0 ({TRAIN[0][0]}, more/{TRAIN[0][0]})"]
    }


def test_a_clip_in_train_and_test_is_refused(tmp_path):
    test = [*TEST, TRAIN[0]]
    error = refused(write(tmp_path, test=test, evaluate=test))
    assert error.offenders["clip in train and test"] == [TRAIN[0][0]]


def test_a_location_in_train_and_test_is_refused(tmp_path):
    test = [*TEST, clip("tram", "lisbon", 0, 77)]
    assert refused(write(tmp_path, test=test, evaluate=test)).offenders == {
        "location in train and test": ["lisbon-0 (2 clips in train, 1 in test)"]
    }


def test_a_test_scene_that_no_training_clip_has_is_refused(tmp_path):
    test = [*TEST, clip("zoo", "rome", 1, 1)]
    found = refused(write(tmp_path, test=test, evaluate=test)).offenders
    assert found == {
        "unknown scene": [
            "'zoo' (evaluation_setup/fold1_evaluate.csv:5); trained are bus, park, tram"
        ]
    }


def test_a_scene_that_meta_csv_contradicts_is_refused(tmp_path):
    meta = with_identifier([*TRAIN, *TEST])
    meta[0] = (*meta[0][:2], "park", meta[0][3])
    assert refused(write(tmp_path, meta=meta)).offenders == {
        "csv files that disagree": [
            "evaluation_setup/fold1_train.csv:2: scene 'bus', meta.csv:2: 'park'"
        ]
    }


def test_a_video_that_meta_csv_contradicts_is_refused(tmp_path):
    meta = with_identifier([*TRAIN, *TEST])
    meta[0] = (meta[0][0], "video/other.mp4", *meta[0][2:])
    found = refused(write(tmp_path, meta=meta)).offenders["csv files that disagree"]
    assert "meta.csv:2: 'video/other.mp4'" in found[0]


def test_a_clip_that_meta_csv_lacks_is_refused(tmp_path):
    meta = with_identifier([*TRAIN[1:], *TEST])
    assert refused(write(tmp_path, meta=meta)).offenders == {
        "row absent from meta.csv": [f"{TRAIN[0][0]} (evaluation_setup/fold1_train.csv:2)"]
    }


def test_test_and_evaluate_that_list_different_clips_are_refused(tmp_path):
    test = [*TEST[1:], (TEST[0][0], "video/other.mp4", "bus"), clip("bus", "rome", 5, 5)]
    found = refused(write(tmp_path, test=test)).offenders["csv files that disagree"]
    assert len(found) == 2
    assert "'video/other.mp4'" in found[0]
    assert found[1].endswith("fold1_test.csv:5: not in evaluation_setup/fold1_evaluate.csv")


def test_a_test_clip_without_a_label_is_refused(tmp_path):
    found = refused(write(tmp_path, evaluate=None)).offenders
    assert len(found["clip without a label"]) == len(TEST)


def test_a_clip_without_a_location_is_refused_with_both_remedies(tmp_path):
    train = [*TRAIN, ("audio/7.wav", "video/7.mp4", "bus")]
    error = refused(write(tmp_path, train=train))
    assert error.offenders == {
        "clip without a location": ["audio/7.wav (evaluation_setup/fold1_train.csv:26)"]
    }
    assert "<city>-<number>, or name clips <scene>-<city>-<location>-<segment>" in str(error)


def test_an_identifier_without_a_number_is_refused(tmp_path):
    meta = with_identifier([*TRAIN, *TEST])
    meta[0] = (*meta[0][:3], "lisbon")
    found = refused(write(tmp_path, meta=meta)).offenders["clip without a location"]
    assert found[0].endswith("identifier 'lisbon'")


@pytest.mark.parametrize("scene", ["bus\x00", " bus", "bus\u2028"])
def test_a_scene_that_would_break_files_is_refused(tmp_path, scene):
    train = [*TRAIN, (*TRAIN[0][:2], scene)]
    write(tmp_path)
    write_csv(tmp_path / "evaluation_setup/fold1_train.csv", HEADER, [*train[1:]])
    found = refused(tmp_path).offenders["scene that breaks files"]
    assert found == [f"{scene!r} (evaluation_setup/fold1_train.csv:25)"]


def test_a_training_fold_of_which_nothing_can_be_held_out_is_refused(tmp_path):
    train = [clip(s, "rome", i, i) for i, s in enumerate(SCENES)]
    found = refused(write(tmp_path, train=train)).offenders["scene that cannot be validated"]
    assert len(found) == len(SCENES)
    assert (
        found[0]
        == f"{sorted(SCENES)[0]!r} has 1 training locations: rome-{SCENES.index(sorted(SCENES)[0])}"
    )


def test_a_csv_of_too_many_bytes_is_refused_unread(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setattr(tau.listing, "MAX_BYTES", 100)
    expected = r"evaluation_setup/fold1_train\.csv: \d+ bytes, expected at most 100"
    with pytest.raises(tau.DatasetError, match=expected):
        tau.index(tmp_path, seed=0)


def moved(identifier, *, part):
    """Return meta.csv's rows: the last clip of the training fold, or the first of test, moved."""
    rows = with_identifier([*TRAIN, *TEST])
    place = len(TRAIN) - 1 if part == "train" else len(TRAIN)
    rows[place] = (*rows[place][:3], identifier)
    return rows


@pytest.mark.parametrize(
    ("spelling", "kinds"),
    [
        ("Lyon-203", {"city", "location"}),
        ("lyon-0203", {"location"}),
        ("lyon--203", {"city", "location"}),
        ("\uff4cyon-203", {"city", "location"}),  # a letter of full width
    ],
)
def test_location_of_the_training_fold_in_another_spelling_is_reported(tmp_path, spelling, kinds):
    found = refused(write(tmp_path, meta=moved(spelling, part="test"))).offenders
    expected = {f"{kind} in two spellings" for kind in kinds}
    assert found.keys() == expected
    for kind in expected:
        assert found[kind][0].count("evaluation_setup/fold1_") == 2


def test_composed_and_decomposed_letters_are_one_location(tmp_path):
    meta = moved("malm\u00f6-1", part="train")
    meta[len(TRAIN)] = (*meta[len(TRAIN)][:3], "malmo\u0308-1")
    found = refused(write(tmp_path, meta=meta)).offenders
    assert found["location in two spellings"] == [
        f"'malm\\xf6-1' (evaluation_setup/fold1_train.csv:{len(TRAIN) + 1}), "
        "'malmo\\u0308-1' (evaluation_setup/fold1_evaluate.csv:2)"
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [("lyon-1", "lyon-10"), ("lyon-38.05", "lyon-38.5"), ("\u0915\u093f-1", "\u0915\u093e-1")],
)
def test_locations_that_differ_in_more_than_spelling_are_accepted(tmp_path, one, other):
    meta = moved(one, part="train")
    meta[len(TRAIN)] = (*meta[len(TRAIN)][:3], other)
    assert tau.index(write(tmp_path, meta=meta), seed=0)


def test_identifier_with_outer_spaces_is_refused(tmp_path):
    found = refused(write(tmp_path, meta=moved("lyon-203 ", part="test"))).offenders
    assert found == {"identifier with outer spaces": [f"'lyon-203 ' (meta.csv:{len(TRAIN) + 2})"]}


def test_scene_in_two_spellings_is_reported(tmp_path):
    write(tmp_path)
    train = [*TRAIN[:-1], (*TRAIN[-1][:2], "Tram")]
    write_csv(tmp_path / "evaluation_setup/fold1_train.csv", HEADER, train)
    write_csv(tmp_path / "meta.csv", [*HEADER, "identifier"], with_identifier([*train, *TEST]))
    found = refused(tmp_path).offenders["scene in two spellings"]
    assert found[0].startswith("'tram' (evaluation_setup/fold1_train.csv:")
    assert found[0].endswith(f", 'Tram' (evaluation_setup/fold1_train.csv:{len(TRAIN) + 1})")


def test_clip_in_two_spellings_is_reported(tmp_path):
    name = TRAIN[0][0].removeprefix("audio/").removesuffix(".wav")
    twin = (f"audio/{name.upper()}.wav", f"video/{name.upper()}.mp4", "bus")
    meta = with_identifier([*TRAIN, *TEST, TRAIN[0]])
    meta[-1] = (*twin, meta[0][3])
    found = refused(write(tmp_path, train=[*TRAIN, twin], meta=meta)).offenders
    assert list(found) == ["clip in two spellings"]


def test_absent_file_names_the_one_of_another_spelling(tmp_path):
    write(tmp_path)
    audio = tmp_path / TRAIN[0][0]
    audio.rename(audio.with_name(audio.name.upper()))
    found = refused(tmp_path).offenders["file absent"]
    where = "evaluation_setup/fold1_train.csv:2"
    assert found == [f"{TRAIN[0][0]} ({where}); there is {audio.name.upper()!r}"]


def test_clip_whose_name_tells_another_scene_is_refused_with_both_scenes(tmp_path):
    write(tmp_path)
    corrected = [(*TRAIN[0][:2], "park"), *TRAIN[1:]]
    write_csv(tmp_path / "evaluation_setup/fold1_train.csv", HEADER, corrected)
    error = refused(tmp_path)
    where = "evaluation_setup/fold1_train.csv:2"
    assert error.offenders == {
        "clip named for another scene": [
            f"{TRAIN[0][0]} is named for 'bus', its scene is 'park' ({where})"
        ]
    }
    meta = with_identifier([*TRAIN, *TEST])
    meta[0] = (*corrected[0], meta[0][3])  # the remedy: meta.csv with identifiers
    write_csv(tmp_path / "meta.csv", [*HEADER, "identifier"], meta)
    rows = tau.index(tmp_path, seed=0)
    assert {r.scene_label for r in rows if r.audio == TRAIN[0][0]} == {"park"}


def test_more_rows_than_any_data_set_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "MAX_ROWS", len(TRAIN) - 1)
    error = refused(write(tmp_path))
    assert f"fold1_train.csv: more than {len(TRAIN) - 1} rows" in str(error)
