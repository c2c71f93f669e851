import numpy as np
import pytest

from avsc.artifacts import prediction_tables

SJTU = """aid\tscene_pred\tscene_label\tbus\tpark
bus-lyon-1-10\tbus\tbus\t0.500\t0.497
park-lyon-2-20\tpark\tpark\t0.500\t0.500
park-lyon-2-21\tpark\tbus\t1.000\t0.000
"""


def written(tmp_path, text):
    path = tmp_path / "table.tsv"
    path.write_bytes(text.encode())
    return path


def test_a_course_file_has_one_row_a_clip_and_its_truth(tmp_path):
    table = prediction_tables.read(written(tmp_path, SJTU))
    assert table.clip_id == ["bus-lyon-1-10", "park-lyon-2-20", "park-lyon-2-21"]
    assert table.segment is None
    assert table.classes == ("bus", "park")
    assert table.probs.tolist() == [[0.5, 0.497], [0.5, 0.5], [1, 0]]
    assert table.stated is not None
    assert table.stated.tolist() == [0, 1, 1]  # of a tie and against the larger one alike
    assert table.truth == dict(zip(table.clip_id, ["bus", "park", "bus"], strict=True))


@pytest.mark.parametrize(
    ("column", "ending"),
    [
        ("filename_audio_video", ".wav.mp4"),
        ("filename_audio", ".wav"),
        ("filename_video", ".mp4"),
        ("filename", ".WAV"),
    ],
)
def test_a_baseline_file_names_the_second_of_each_row(tmp_path, column, ending):
    rows = [f"{clip}_{k}{ending}\tbus\t1.0\t1e-9" for clip in ("bus-a-1-2", "x_3") for k in (0, 11)]
    text = "\n".join([f"{column}\tscene_label\tbus\tpark", *rows, ""])
    table = prediction_tables.read(written(tmp_path, text))
    assert table.clip_id == ["bus-a-1-2", "bus-a-1-2", "x_3", "x_3"]
    assert table.segment is not None
    assert table.segment.tolist() == [0, 11, 0, 11]
    assert table.stated is not None
    assert table.stated.tolist() == [0] * 4
    assert table.truth is None
    assert table.probs[0, 1] == 1e-9


def test_a_submission_has_isolated_rows(tmp_path):
    text = "filename\tscene_label\tbus\tpark\n0.wav\tbus\t1\t0\n71999.wav\tpark\t0\t1\n"
    table = prediction_tables.read(written(tmp_path, text))
    assert table.clip_id == ["0", "71999"]
    assert table.segment is None


def test_a_clip_whose_name_ends_like_a_second_is_a_clip_where_clips_are_known(tmp_path):
    path = written(tmp_path, "filename\tbus\tpark\nkitchen_1.wav\t1\t0\nkitchen_2.wav\t0\t1\n")
    assert prediction_tables.read(path).clip_id == ["kitchen", "kitchen"]
    table = prediction_tables.read(path, clips=["kitchen_1", "kitchen_2"])
    assert table.clip_id == ["kitchen_1", "kitchen_2"]
    assert table.segment is None
    assert table.stated is None


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("\t", ","),
        lambda t: t.replace("\n", "\r\n"),
        lambda t: "\ufeff" + t,
        lambda t: t + "\n\n",
    ],
    ids=["commas", "crlf", "bom", "blank lines"],
)
def test_commas_crlf_bom_and_blank_ends_read_the_same(tmp_path, change):
    plain = prediction_tables.read(written(tmp_path, SJTU))
    other = prediction_tables.read(written(tmp_path, change(SJTU)))
    assert other.clip_id == plain.clip_id
    assert other.truth == plain.truth
    assert np.array_equal(other.probs, plain.probs)


def test_the_columns_may_come_in_any_order(tmp_path):
    text = "tram\taid\tbus\tscene_pred\n0.25\tbus-a-1-1\t0.75\tbus\n"
    table = prediction_tables.read(written(tmp_path, text))
    assert table.classes == ("tram", "bus")
    assert table.probs.tolist() == [[0.25, 0.75]]
    assert table.stated is not None
    assert table.stated.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 lines, expected a header and a line an item"),
        ("aid\tbus\tpark\n", "has 1 lines, expected a header"),
        ("aid\tbus\tpark\nx\t1\n", r"table.tsv:2 has 2 fields, expected 3 as in the header"),
        ("clip\tbus\tpark\nx\t1\t0\n", r"has columns \['clip', .*with one of clip_id, aid"),
        ("aid\tbus\tbus\nx\t1\t0\n", "expected different ones"),
        ("aid\tbus\nx\t1\n", "expected one of probabilities for each of two or more classes"),
        ("\taid\tbus\tpark\n0\tx\t1\t0\n", "all with names; write the table without a row index"),
        (
            "aid\tcity\tbus\nx\tlyon\t1\n",
            r":2: could not convert string to float: 'lyon', expected a probability in each of "
            "city, bus; is one of these no class",
        ),
        (
            "aid\tscene_pred\tbus\tpark\nx\tzoo\t1\t0\n",
            r":2 states the class 'zoo' \(1 such lines\), expected one of bus, park",
        ),
        (SJTU.replace("park-lyon-2-21", "park-lyon-2-20"), "the scenes 'park' and 'bus', expected"),
        ('aid\tbus\tpark\n"x\t1\t0\n', "is no UTF-8 table"),
    ],
)
def test_what_is_no_prediction_file_is_refused_with_the_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        prediction_tables.read(written(tmp_path, text))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "t").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"is no UTF-8 table .*; save it as csv or tsv"):
        prediction_tables.read(tmp_path / "t")


@pytest.mark.parametrize(
    "text",
    [
        "filename_audio\tfilename_video\tscene_label\naudio/b.wav\tvideo/b.mp4\tbus\n"
        "audio/a.wav\tvideo/a.mp4\tpark\n",
        "clip_id,scene_label,city\nb,bus,lyon\na,park,lyon\n",
        "filename\tscene_label\nb.wav.mp4\tbus\na\tpark\n",
    ],
)
def test_labels_are_by_clip_in_the_order_of_the_file(tmp_path, text):
    labels = prediction_tables.read_labels(written(tmp_path, text))
    assert list(labels.items()) == [("b", "bus"), ("a", "park")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip_id\tscene\na\tbus\n", r"has columns \['clip_id', 'scene'\], expected 'scene_label'"),
        ("name\tscene_label\na\tbus\n", "expected different ones with one of clip_id"),
        ("clip_id\tscene_label\na\tbus\na\tpark\n", "gives 'a' the scenes 'bus' and 'park'"),
    ],
)
def test_what_are_no_labels_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        prediction_tables.read_labels(written(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "scene"),
    [
        ("metro_station-lyon-1-2", "metro_station"),
        ("metro-new-york-1-2", "metro"),
        ("metro-line-lyon-1-2", "metro-line"),
    ],
)
def test_a_clip_name_tells_its_scene(name, scene):
    classes = ["metro", "metro_station", "metro-line"]
    assert prediction_tables.scene_in_name(name, classes) == scene


@pytest.mark.parametrize("name", ["metro", "metro-1-2", "zoo-lyon-1-2", "71999"])
def test_a_name_that_tells_no_scene_is_refused_with_the_remedy(name):
    with pytest.raises(ValueError, match=f"'{name}' tells no scene, .* --labels"):
        prediction_tables.scene_in_name(name, ["metro"])


def test_more_probabilities_than_any_file_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_tables, "MAX_NUMBERS", 4)
    two = "aid\tbus\tpark\na\t1\t0\nb\t1\t0\n"
    assert len(prediction_tables.read(written(tmp_path, two)).probs) == 2
    with pytest.raises(ValueError, match=r"table\.tsv has more than 4 probabilities; is it one"):
        prediction_tables.read(written(tmp_path, two + "c\t1\t0\n"))
