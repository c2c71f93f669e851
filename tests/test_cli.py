import json
import math

import pytest
from typer.testing import CliRunner

from avsc.cli import app

# rows that sum to 0.997, a tie, a true class of probability 0, a choice against the larger one
CLIPS = """aid\tscene_pred\tscene_label\tbus\tpark
bus-lyon-1-1\tbus\tbus\t0.997\t0.000
bus-lyon-1-2\tpark\tbus\t0.500\t0.500
park-lyon-2-3\tpark\tpark\t1.000\t0.000
park-lyon-2-4\tpark\tpark\t0.600\t0.400
"""
SECONDS = """filename_audio_video\tscene_label\tbus\tpark
bus-lyon-1-1_0.wav.mp4\tbus\t0.5\t0.5
bus-lyon-1-1_1.wav.mp4\tbus\t1.0\t0.0
park-lyon-2-2_1.wav.mp4\tpark\t0.25\t0.75
park-lyon-2-2_0.wav.mp4\tbus\t0.75\t0.25
"""


@pytest.fixture
def run(tmp_path):
    def run(text, *options, labels=None):
        (tmp_path / "p.tsv").write_text(text)
        if labels is not None:
            (tmp_path / "labels.csv").write_text(labels)
            options = (*options, "--labels", str(tmp_path / "labels.csv"))
        return CliRunner().invoke(app, ["score", str(tmp_path / "p.tsv"), *options])

    return run


@pytest.fixture
def scored(run):
    def scored(text, *options, **files):
        done = run(text, "--json", *options, **files)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    return scored


def test_clip_files_are_scored_by_value(scored):
    found = scored(CLIPS, "--floor", "0.001")
    scores = found["scores"]["clip"]
    # clipped at 0.001, then divided by the sums .998, 1, 1, 1
    losses = [-math.log(0.997 / 0.998), math.log(2), math.log(1000), -math.log(0.4)]
    assert scores["log_loss_micro"] == pytest.approx(sum(losses) / 4)
    assert scores["accuracy_micro"] == pytest.approx(3 / 4)
    written = found["as_written"]["clip"]["log_loss_micro"]
    assert written == pytest.approx((-math.log(0.997) + sum(losses[1:])) / 4)
    assert found["most_probable"]["clip"]["accuracy_micro"] == pytest.approx(2 / 4)
    assert (found["rows"], found["rounded"], found["overruled"]) == (4, 1, 3)
    assert list(found["scores"]) == ["clip"]
    assert "scene_label" in found["truth"]


def test_the_floor_decides_what_a_certain_error_costs(scored):
    one, other = (
        scored(CLIPS, "--floor", floor)["scores"]["clip"]["per_class"][1]["log_loss"]
        for floor in ("1e-15", "1e-5")
    )
    assert one - other == pytest.approx(10 * math.log(10) / 2, abs=1e-4)


def test_segment_files_are_scored_under_both_protocols(scored):
    scores = scored(SECONDS)["scores"]
    assert scores["segment"]["log_loss_macro"] == pytest.approx(
        (math.log(2) / 2 + (math.log(4) + math.log(4 / 3)) / 2) / 2
    )
    assert scores["segment"]["accuracy_macro"] == pytest.approx(3 / 4)
    assert scores["clip"]["log_loss_macro"] == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    assert scores["clip"]["items"] == 2


def test_macro_and_micro_values_differ_where_classes_differ_in_size(scored):
    scores = scored("\n".join(CLIPS.split("\n")[:4]))["scores"]["clip"]  # two buses, one park
    assert scores["accuracy_macro"] == pytest.approx((1 / 2 + 1) / 2)
    assert scores["accuracy_micro"] == pytest.approx(2 / 3)


def test_labels_of_a_fold_say_which_clips_there_must_be(run, scored):
    labels = "filename_audio\tfilename_video\tscene_label\n"
    labels += "audio/park-lyon-2-2.wav\tx\tbus\naudio/bus-lyon-1-1.wav\ty\tpark\n"
    assert scored(SECONDS, labels=labels)["scores"]["segment"]["accuracy_macro"] == 1 / 4
    done = run(SECONDS, labels=labels + "audio/bus-lyon-1-9.wav\tz\tbus\n")
    assert done.exit_code == 1
    assert "2 of 6 segments have no row, the first segment 0 of 'bus-lyon-1-9'" in done.stderr


def test_isolated_segments_need_labels_and_have_no_clip_protocol(run, scored):
    text = "filename\tscene_label\tbus\tpark\n0.wav\tbus\t1\t0\n1.wav\tbus\t1\t0\n"
    assert "'0' tells no scene" in run(text).stderr
    found = scored(text, labels="filename,scene_label\n0.wav,bus\n1.wav,park\n")
    assert list(found["scores"]) == ["segment"]
    assert found["scores"]["segment"]["accuracy_micro"] == 1 / 2


def test_labels_that_contradict_the_file_are_refused(run):
    labels = "clip_id,scene_label\n" + "".join(
        f"{clip},bus\n" for clip in ("bus-lyon-1-1", "bus-lyon-1-2", "park-lyon-2-3", "x")
    )
    done = run(CLIPS, labels=labels)
    assert done.exit_code == 1
    assert "differ for 1 clips, the first 'park-lyon-2-3'; expected the same" in done.stderr


def test_the_text_shows_macro_and_micro_values_and_each_class(run):
    done = run(SECONDS)
    assert done.exit_code == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["log-loss", "0.5918", "0.5918"] in lines  # (ln 2 / 2 + (ln 4 + ln 4/3) / 2) / 2
    assert ["accuracy", "0.7500", "0.7500"] in lines
    assert lines[-1] == ["park", "0.0000", "0.0000", "0.0000", "0.6931", "1"]
    assert "truth: the clip names" in done.stdout


def test_a_class_without_clips_shows_a_dash_for_its_log_loss(run):
    done = run("aid\tbus\tpark\nbus-lyon-1-1\t1\t0\n")
    assert done.stdout.splitlines()[-1].split() == ["park", *["0.0000"] * 3, "-", "0"]
    assert "chosen class: the largest probability" in done.stdout


def test_logits_are_refused_without_a_traceback(run):
    done = run("aid\tbus\tpark\nbus-lyon-1-1\t7\t-2\n")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: probs[0] holds -2.0000")
    assert "softmax" in done.stderr


def test_an_absent_file_is_refused(tmp_path):
    done = CliRunner().invoke(app, ["score", str(tmp_path / "none.tsv")])
    assert done.exit_code == 2


def test_names_in_a_prediction_file_steer_no_terminal(run):
    table = CLIPS.replace("bus", "b\x1b[2Jus")
    done = run(table)
    assert done.exit_code == 0, done.stderr
    assert "b\\x1b[2Jus" in done.stdout
    refused = run(table.replace("0.4", "b\x1b[2Jad"))
    assert refused.exit_code == 1
    assert "\x1b" not in done.stdout + refused.stderr
