"""avsc predict --evaluation-set, and avsc submission check."""

import csv
import shutil

import numpy as np
import pytest

from avsc import prediction, recording, trained
from avsc.artifacts import submission
from avsc.artifacts.submission import SCENES
from avsc.datasets import evaluation_set
from avsc.datasets.offenders import DatasetError


@pytest.fixture
def evaluation(tmp_path, film, wav):
    """An evaluation set of three items, the second with a sound of its own."""
    root = tmp_path / "set"
    for folder in ("audio", "video", "evaluation_setup"):
        (root / folder).mkdir(parents=True)
    for k in range(3):
        shutil.move(film(f"{k}.mp4", 1.0, sound=False), root / f"video/{k}.mp4")
        shutil.move(wav(f"{k}.wav", 1.0, level=0.1 + 0.1 * k), root / f"audio/{k}.wav")
    rows = "".join(f"audio/{k}.wav\tvideo/{k}.mp4\n" for k in range(3))
    header = "filename_audio\tfilename_video\n"
    (root / "evaluation_setup/fold1_test.csv").write_text(header + rows)
    return root


def table(path):
    with path.open(newline="") as f:
        return list(csv.DictReader(f, delimiter="\t"))


def test_the_submission_has_a_row_for_each_item_of_the_csv(predict, run, evaluation, tmp_path):
    out = tmp_path / "submission.csv"
    done = predict("--evaluation-set", evaluation, "--output", out)
    assert done.exit_code == 0, done.stderr
    assert out.read_text().splitlines()[0] == "filename\tscene_label\tbus\tpark\ttram"
    rows = table(out)
    assert [r["filename"] for r in rows] == ["0.wav", "1.wav", "2.wav"]
    for row in rows:
        probs = {s: float(row[s]) for s in ("bus", "park", "tram")}
        assert sum(probs.values()) == pytest.approx(1, abs=1e-6)
        assert row["scene_label"] == max(probs, key=probs.__getitem__)
    options = ("--evaluation-set", evaluation, "--classes", "bus,park,tram")
    checked = run("submission", "check", out, *options)
    assert checked.exit_code == 0
    assert "in order, 3 items, 3 scenes" in checked.stdout


def test_an_item_is_what_the_same_files_are_by_name(predict, evaluation, trained_once, tmp_path):
    predict("--evaluation-set", evaluation, "--output", tmp_path / "s.csv")
    p = trained.load("both", trained_once)
    files = evaluation / "video/2.mp4", evaluation / "audio/2.wav"
    expected = prediction.predict(p, recording.read(*files, p.decode)).probs[0]
    found = [float(table(tmp_path / "s.csv")[2][s]) for s in p.scenes]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_items_of_several_blocks_and_sizes_keep_their_order(evaluation, film, trained_once, wav):
    wide = film("wide.mp4", 1.0, sound=False, size=(96, 48))
    p = trained.load("both", trained_once)
    items = [(i.audio, i.video) for i in evaluation_set.items(evaluation)]
    mixed = [items[0], (items[1][0], wide), (wav("bad.wav", 0.3), wide), items[2]]
    together = list(prediction.isolated(p, mixed, threads=2))
    alone = [next(prediction.isolated(p, [item], threads=1)) for item in mixed]
    assert "expected 1 s" in str(together[2])
    for k in (0, 1, 3):
        np.testing.assert_allclose(together[k], alone[k], atol=1e-6)


def test_an_item_that_cannot_be_decoded_is_uniform_and_named(predict, evaluation, tmp_path):
    (evaluation / "video/1.mp4").write_text("no film")
    done = predict("--evaluation-set", evaluation, "--output", tmp_path / "s.csv")
    assert done.exit_code == 1
    assert "video/1.mp4" in done.stderr
    assert "1 of 3 items could not be decoded" in done.stderr
    rows = table(tmp_path / "s.csv")
    assert [float(rows[1][s]) for s in ("bus", "park", "tram")] == pytest.approx([1 / 3] * 3)


def test_an_experiment_of_whole_clips_is_refused(predict, evaluation, tmp_path):
    options = ("--experiment", "clips", "--output", tmp_path / "s.csv")
    done = predict("--evaluation-set", evaluation, *options)
    assert done.exit_code == 2
    assert "clips classifies whole clips, expected one of seconds" in done.stderr
    assert not (tmp_path / "s.csv").exists()


def test_a_set_without_a_csv_or_with_absent_files_is_refused(evaluation, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"neither evaluation_setup/\*_test.csv nor meta"):
        evaluation_set.items(tmp_path)
    (evaluation / "audio/0.wav").unlink()
    with pytest.raises(DatasetError, match=r"(?s)file absent \(1\).*audio/0.wav"):
        evaluation_set.items(evaluation)
    assert len(evaluation_set.names(evaluation)) == 3
    shutil.copy(
        evaluation / "evaluation_setup/fold1_test.csv", evaluation / "evaluation_setup/x_test.csv"
    )
    with pytest.raises(FileNotFoundError, match="has 2 csv files of tests"):
        evaluation_set.names(evaluation)


def test_items_whose_names_would_be_equal_in_a_submission_are_refused(evaluation):
    (evaluation / "more").mkdir()
    shutil.copy(evaluation / "audio/0.wav", evaluation / "more/0.wav")
    shutil.copy(evaluation / "video/0.mp4", evaluation / "more/0.mp4")
    with (evaluation / "evaluation_setup/fold1_test.csv").open("a") as f:
        f.write("more/0.wav\tmore/0.mp4\n")
    with pytest.raises(DatasetError, match=r"(?s)duplicate id \(1\).*0.wav"):
        evaluation_set.items(evaluation)


def test_the_scenes_of_a_submission_are_in_alphabetical_order(tmp_path):
    submission.write(
        tmp_path / "s", ["0.wav"], np.array([[0.2, 0.7, 0.1]]), ("tram", "bus", "park")
    )
    assert (tmp_path / "s").read_text() == (
        "filename\tscene_label\tbus\tpark\ttram\n0.wav\tbus\t0.7\t0.1\t0.2\n"
    )


def lines(rows, scenes=SCENES):
    return "\n".join(
        "\t".join(map(str, row)) for row in [["filename", "scene_label", *scenes], *rows]
    )


def row(name, label="bus", probs=(0.55, *[0.05] * 9)):
    return [name, label, *probs]


@pytest.fixture
def found(tmp_path):
    def found(text, items=2, **options):
        (tmp_path / "s.csv").write_text(text)
        names = submission.official_names(items)
        return submission.check(tmp_path / "s.csv", names=names, **options)

    return found


def test_a_file_in_order_has_no_offender_in_whatever_order_its_items_are(found):
    assert found(lines([row("1.wav"), row("0.wav")])) == []


def test_probabilities_of_three_decimals_sum_near_enough(found):
    assert found(lines([row("0.wav", probs=(0.547, *[0.05] * 9))]), items=1) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("no text table", "is empty")]),
        ('a"b\t"c', [("no text table", "")]),
        (lines([row("0.wav"), row("1.wav")]).replace("\t", ","), [("columns", "commas")]),
        (
            lines([row("0.wav"), row("1.wav")], scenes=("bus", "airport", *SCENES[2:])),
            [("columns", "in the order filename, scene_label, bus, airport")],
        ),
        (
            lines([row("0.wav"), row("1.wav")], scenes=(*SCENES[:9], "zoo")),
            [("columns", "'tram' is absent"), ("columns", "'zoo' is no scene")],
        ),
        (lines([row("0.wav"), row("1.wav", label="zoo")]), [("scene_label", "line 3: 'zoo'")]),
        (lines([row("0.wav"), row("1.wav")[:-1]]), [("fields", "line 3 has 11, the header 12")]),
        (
            lines([row("0.wav"), row("1.wav", probs=("nan", 1.5, "x", *[0] * 7))]),
            [
                ("probabilities", "line 3: 'nan' of airport"),
                ("probabilities", "line 3: '1.5' of bus"),
                ("probabilities", "line 3: 'x' of metro"),
            ],
        ),
        (
            lines([row("0.wav", probs=[0.2] * 10), row("1.wav", probs=[0.05] * 10)]),
            [("sums", "line 2: 2; expected 1"), ("sums", "line 3: 0.5; expected 1")],
        ),
        (
            lines([row("0.wav"), row("0.wav"), row("2.wav")]),
            [
                ("count", "3 items; expected 2"),
                ("duplicate items", "'0.wav' in lines 2, 3"),
                ("unknown items", "line 4: '2.wav'"),
                ("missing items", "'1.wav'"),
            ],
        ),
    ],
)
def test_every_offender_is_found(found, text, expected):
    offenders = [o for o in found(text) if text.startswith("filename\t") or o[0] != "count"]
    assert len(offenders) == len(expected)
    for (kind, where), (wanted, part) in zip(offenders, expected, strict=True):
        assert kind == wanted
        assert part in where


def test_every_offender_is_listed_and_the_exit_code_is_1(run, tmp_path):
    (tmp_path / "s.csv").write_text(lines([row("0.wav")]))
    done = run("submission", "check", tmp_path / "s.csv", "--items", 40)
    assert done.exit_code == 1
    assert "missing items (39):" in done.stdout
    assert [f"  '{k}.wav'" in done.stdout for k in range(1, 40)] == [True] * 39
    assert done.stdout.endswith("s.csv: 40 offenders\n")  # and the count


@pytest.mark.slow
def test_the_official_set_is_what_is_expected_without_another(run, tmp_path):
    (tmp_path / "s.csv").write_text(lines([row(name) for name in submission.official_names()]))
    done = run("submission", "check", tmp_path / "s.csv")
    assert done.exit_code == 0
    assert "in order, 72000 items, 10 scenes" in done.stdout


def test_two_ways_to_say_which_items_there_are_do_not_go_together(run, tmp_path, evaluation):
    (tmp_path / "s.csv").write_text(lines([]))
    options = ("--items", 3, "--evaluation-set", evaluation)
    done = run("submission", "check", tmp_path / "s.csv", *options)
    assert done.exit_code == 2
    assert "give one" in done.stderr


def test_names_in_a_submission_are_no_formulas(tmp_path):
    scenes = ("=1+1", "bus")
    submission.write(tmp_path / "s.csv", ["@0.wav"], np.array([[0.75, 0.25]]), scenes)
    assert (tmp_path / "s.csv").read_text() == (
        "filename\tscene_label\t'=1+1\tbus\n'@0.wav\t'=1+1\t0.75\t0.25\n"
    )


def test_more_rows_than_any_submission_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(submission, "MAX_ROWS", 2)
    path, scenes = tmp_path / "s.csv", ("bus", "park")
    submission.write(path, ["0.wav", "1.wav", "2.wav"], np.array([[0.75, 0.25]] * 3), scenes)
    ((kind, where),) = submission.check(path, names=["0.wav"], scenes=scenes)
    assert kind == "no text table"
    assert "more than 2 rows" in where
