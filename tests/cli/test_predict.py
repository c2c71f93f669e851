"""avsc predict, and what it is made of."""

import csv
import io
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avsc import prediction, recording, trained
from avsc.artifacts import manifest, media, models
from avsc.cli import predict as command
from avsc.cli import telling
from avsc.media import sound
from tests import params_files
from tests.artifacts import toy_shards
from tests.cli.conftest import PARAMS, SCENES

DECODE = {"sample_rate": 16000, "short_side_px": 32, "jpeg_quality": 90}


def read(done):
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def probabilities(found):
    return np.array([[row["probs"][s] for s in SCENES] for row in found["rows"]])


@pytest.mark.parametrize("sound", [True, False])
@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.mov", "film.webm"])
def test_every_container_is_predicted_second_by_second(predict, film, name, sound):
    found = read(predict(film(name, 3.0, sound=sound, fps=5), "--format", "json"))
    (one,) = found["files"]
    assert [(r["start_s"], r["end_s"]) for r in one["rows"]] == [(0, 1), (1, 2), (2, 3)]
    assert len(one["notes"]) == (0 if sound else 1)
    assert found["failed"] == []
    probs = probabilities(one)
    assert probs.sum(axis=1) == pytest.approx(1)
    assert [one["probs"][s] for s in SCENES] == pytest.approx(probs.mean(axis=0))
    assert one["scene_label"] == SCENES[probs.mean(axis=0).argmax()]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(1.0, 1), (1.7, 1), pytest.param(30.0, 30, marks=pytest.mark.slow)],
)
def test_a_file_has_as_many_rows_as_whole_seconds(predict, film, seconds, expected):
    (one,) = read(predict(film(seconds=seconds, fps=10), "--format", "json"))["files"]
    assert len(one["rows"]) == expected


def test_a_second_does_not_depend_on_the_others(trained_once, film):
    p = trained.load("both", trained_once)
    whole = recording.read(film(seconds=3.0), None, p.decode)
    probs = prediction.predict(p, whole).probs
    for k in range(3):
        alone = prediction.predict(p, whole.between(k, k + 1)).probs
        np.testing.assert_allclose(alone[0], probs[k], atol=1e-6)


@pytest.mark.parametrize("experiment", ["both", "clips"])
def test_rows_of_a_file_whose_pictures_begin_late_are_seconds_of_the_file(
    trained_once, film, experiment
):
    p = trained.load(experiment, trained_once)
    whole = recording.read(film(seconds=5.0), None, p.decode)
    late, early = whole.between(2, 5), whole.between(0, 3)
    found = prediction.predict(p, late)
    assert found.spans[0][0] == 2
    assert found.spans[-1][1] == 5
    at_zero = replace(late, start=0)
    np.testing.assert_array_equal(found.whole, prediction.predict(p, at_zero).whole)
    assert prediction.predict(p, early).spans[0][0] == 0


def test_the_sound_of_a_file_whose_pictures_begin_late_is_that_of_the_same_seconds(film):
    path = film(seconds=5.0, late_s=2)  # half a second before them still counts
    found = recording.read(path, None, DECODE)
    assert (found.start, found.seconds) == (1, 4)
    rate = DECODE["sample_rate"]
    heard = sound.segments(path, sound.of(path), count=5, sample_rate=rate)
    np.testing.assert_array_equal(found.waveform, heard[1:])


def test_pictures_of_any_shape_are_taken(predict, film):
    films = [film("a.mp4", size=(48, 96)), film("b.mp4", size=(96, 48))]
    assert len(read(predict(*films, "--format", "json"))["files"]) == 2


def test_the_best_experiment_on_the_validation_fold_is_taken_and_named(predict, film):
    done = predict(film(), "--format", "json")
    assert read(done)["experiment"] == "both"  # 0.8 for the true scene; `clips` sees no seconds
    assert done.stderr == "experiment both: the lowest log-loss on the validation fold\n"


def test_an_experiment_can_be_named(predict, film):
    found = read(predict(film(), "--format", "json", "--experiment", "sound"))
    assert found["experiment"] == "sound"
    assert found["data"] == "toy"


def test_an_unknown_experiment_is_refused_with_those_there_are(predict, film):
    done = predict(film(), "--experiment", "average")
    assert done.exit_code == 2
    assert "no trained experiment 'average'" in done.stderr
    assert "there are: sound, sight, both, gated, clips" in done.stderr


def test_nothing_trained_is_said(run, film, tmp_path):
    (tmp_path / "params.yaml").write_text("train: {}\n")
    done = run("predict", film(), "--project", tmp_path)
    assert done.exit_code == 2
    assert "holds no trained experiment of params.yaml; run `dvc repro`" in done.stderr


@pytest.mark.parametrize(
    ("experiment", "note"),
    [
        ("gated", "no sound; gated was also trained without sound"),
        ("both", "no sound; both was never trained without sound: may be far off"),
    ],
)
def test_missing_sound_is_the_mean_of_the_training_fold(trained_once, film, experiment, note):
    p = trained.load(experiment, trained_once)
    own = recording.read(film(sound=False), None, p.decode)
    found = prediction.predict(p, own)
    assert found.notes == (note,)
    rows = prediction._rows(p, "video", own, [(0, 1), (1, 2)])
    x = {"audio": torch.full((2, *p.fitted.config["shapes"]["audio"]), 0.5)}  # mean_audio is 0.5
    with torch.inference_mode():
        logits = p.fitted.system(x | {"video": torch.from_numpy(rows)}).double()
    np.testing.assert_allclose(found.probs, logits.softmax(-1), atol=1e-12)


def test_note_about_missing_sound_is_shown_with_the_file(predict, film):
    path, note = film(sound=False), "no sound; gated was also trained without sound"
    done = predict(path, "--format", "json", "--experiment", "gated")
    assert read(done)["files"][0]["notes"] == [note]
    assert f"note: {path}: {note}" in done.stderr


def test_recording_of_neither_sound_nor_pictures_is_refused(trained_once):
    with pytest.raises(ValueError, match="neither sound nor pictures; expected one of them"):
        prediction.predict(trained.load("gated", trained_once), recording.Recording(None, (), ()))


def test_an_experiment_that_only_listens_refuses_a_file_without_sound(predict, film):
    done = predict(film(sound=False), "--experiment", "sound")
    assert done.exit_code == 1
    assert "no sound, and sound uses nothing else; name another experiment" in done.stderr


def test_an_experiment_that_only_looks_says_that_the_sound_is_missing(predict, film):
    done = predict(film(sound=False), "--experiment", "sight")
    assert done.exit_code == 0
    assert "no sound; sight uses none" in done.stderr


def test_a_sound_alone_is_predicted_by_what_is_heard(predict, wav):
    done = predict(wav(seconds=2.0), "--experiment", "sound", "--format", "json")
    (one,) = read(done)["files"]
    assert len(one["rows"]) == 2
    assert "no pictures; sound uses none" in done.stderr


def test_file_without_sound_is_given_to_the_best_that_was_trained_without(predict, film, wav):
    both, silent, heard = film("both.mp4"), film("silent.mp4", sound=False), wav("heard.wav")
    done = predict(both, silent, heard, "--format", "json")
    assert done.exit_code == 0
    found = read(done)
    # on the validation fold: both 0.8, gated 0.6 (trained without sound, too), sight 0.5, sound 0.4
    assert [f["experiment"] for f in found["files"]] == ["both", "gated", "gated"]
    assert f"note: {silent}: gated answers in place of both" in done.stderr
    assert f"note: {silent}: no sound; gated was also trained without sound" in done.stderr
    alone = read(predict(silent, "--experiment", "gated", "--format", "json"))["files"]
    assert alone[0]["probs"] == found["files"][1]["probs"]


def test_experiment_loads_from_a_folder_named_by_text(trained_once):
    assert trained.load("sight", str(trained_once)).experiment == "sight"


def test_sound_that_is_silent_throughout_is_said(predict, film, wav):
    done = predict(film(sound=False), "--audio", wav(level=0.0))
    assert done.exit_code == 0
    assert "its sound is silent throughout" in done.stderr


def test_sound_of_its_own_is_given_a_file_or_a_folder(predict, film, wav, tmp_path):
    path, sound = film(), wav("film.wav")
    own = read(predict(path, "--format", "json"))["files"][0]
    one = read(predict(path, "--audio", sound, "--format", "json"))["files"][0]
    other = read(predict(path, "--audio", tmp_path, "--format", "json"))["files"][0]
    assert one == other
    assert one["probs"] != own["probs"]
    assert one["audio"] == str(sound)


def test_as_many_sounds_as_files_are_needed(predict, film, wav):
    done = predict(film("a.mp4"), film("b.mp4"), "--audio", wav())
    assert done.exit_code == 2
    assert "1 --audio for 2 files; give one for each" in done.stderr


def test_where_pictures_end_before_the_sound_the_seconds_of_both_are_taken(predict, film, wav):
    done = predict(film(seconds=2.0), "--audio", wav(seconds=6.0), "--format", "json")
    assert len(read(done)["files"][0]["rows"]) == 3  # a picture may be missing for half a second


def test_what_sound_does_not_cover_is_said(predict, film, wav):
    done = predict(film(seconds=5.0), "--audio", wav(seconds=2.0), "--format", "json")
    assert len(read(done)["files"][0]["rows"]) == 2
    assert "5.0 s, of which 2 s have both sound and pictures" in done.stderr


@pytest.mark.slow
def test_a_broken_file_costs_a_line_and_the_others_go_on(predict, film, tmp_path):
    good, whole = film("good.mp4"), film("whole.mkv", 8.0).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "empty.mp4").touch()
    bad = [tmp_path / name for name in ("cut.mkv", "text.mp4", "empty.mp4", "absent.mp4")]
    done = predict(*bad[:2], good, *bad[2:], tmp_path, film("short.mp4", 0.5), "--format", "json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert [f["file"] for f in found["files"]] == [str(good)]
    failed = [*map(str, bad), str(tmp_path), str(tmp_path / "short.mp4")]
    assert [f["file"] for f in found["failed"]] == failed
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == len(failed)
    for line, path, cause in zip(
        lines,
        failed,
        ["cut off", "no media file", "0 bytes", "no such file", "a folder", "at least 1 s"],
        strict=True,
    ):
        assert path in line
        assert cause in line
    assert done.stderr.endswith("6 of 7 files failed\n")


def test_names_of_files_cannot_steer_the_terminal(predict, film):
    done = predict(film("a[red]\x1b[2Jb.mp4"))
    assert done.exit_code == 0
    assert "a[red]\\x1b[2Jb.mp4: " in done.stdout
    assert "\x1b" not in done.stdout


def test_the_table_has_a_row_for_each_scene_and_a_column_for_each_second(predict, film):
    done = predict(film(seconds=3.0))
    assert "both, trained on toy; probabilities in %" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.split()]
    assert ["second", "whole", "0", "1", "2"] in rows
    table = {row[0]: row[1:] for row in rows if row[0] in SCENES}
    assert set(table) == set(SCENES)
    assert sum(float(row[0]) for row in table.values()) == pytest.approx(100, abs=0.2)
    wholes = [float(row[1]) for row in rows if row[0] in SCENES]
    assert wholes == sorted(wholes, reverse=True)


@pytest.mark.slow
def test_long_files_get_several_tables_with_every_second(predict, film):
    done = predict(film(seconds=30.0, fps=5))
    heads = [line.split() for line in done.stdout.splitlines() if "second " in line]
    assert len(heads) > 1
    assert [s for head in heads for s in head[2:]] == [str(k) for k in range(30)]


def test_csv_has_the_whole_and_every_second_with_data_set_and_experiment(predict, film, tmp_path):
    out = tmp_path / "out.csv"
    done = predict(film(seconds=2.0), "--output", out)
    assert done.exit_code == 0
    assert done.stdout == ""
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    kinds = [(r["data"], r["experiment"], r["span"], r["start_s"], r["end_s"]) for r in rows]
    assert kinds == [
        ("toy", "both", "whole", "0", "2"),
        ("toy", "both", "second", "0", "1"),
        ("toy", "both", "second", "1", "2"),
    ]
    whole, *seconds = ([float(r[s]) for s in SCENES] for r in rows)
    assert whole == pytest.approx(np.mean(seconds, axis=0), abs=1e-15)
    assert rows[0]["scene_label"] == SCENES[int(np.argmax(whole))]


def test_a_table_can_be_written_to_a_file(predict, film, tmp_path):
    assert predict(film(), "--output", tmp_path / "out.txt").exit_code == 0
    assert "both, trained on toy" in (tmp_path / "out.txt").read_text()


@pytest.mark.slow
def test_a_plot_is_drawn_of_the_kind_that_its_name_says(predict, film, tmp_path):
    films = film("a.mp4"), film("b.mp4", sound=False)
    for ending, start in ((".png", b"\x89PNG"), (".svg", b"<svg"), (".html", b"<!doctype html>")):
        assert predict(*films, "--plot", tmp_path / f"p{ending}").exit_code == 0
        content = (tmp_path / f"p{ending}").read_bytes()
        assert content.startswith(start)
        if ending != ".png":
            assert b"no sound" in content


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name a FILE"),
        (["a.mp4", "--plot", "p.pdf"], "ends with none of .png, .svg, .html"),
        (["a.mp4", "--output", "no/such/folder.csv"], "in one that is not there"),
        (["a.mp4", "--format", "xml"], "xml"),
        (["a.mp4", "--evaluation-set", "."], "do not go with it"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_computed(predict, options, message):
    done = predict(*options)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())


def test_an_interrupted_run_leaves_what_was_there(predict, film, tmp_path, monkeypatch):
    (tmp_path / "out.json").write_text("before")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("avsc.cli.timelines.written", interrupted)
    done = predict(film(), "--output", tmp_path / "out.json")
    assert done.exit_code == 130
    assert "stopped; nothing was written" in done.stderr
    monkeypatch.undo()
    monkeypatch.setattr(Path, "replace", interrupted)
    assert predict(film(), "--output", tmp_path / "out.json").exit_code == 130
    assert (tmp_path / "out.json").read_text() == "before"
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


def test_an_output_that_cannot_be_written_is_said(predict, film, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    path = film()
    monkeypatch.setattr(Path, "replace", full)
    done = predict(path, "--output", tmp_path / "out.json")
    assert done.exit_code == 1
    assert "out.json could not be written (No space left on device)" in done.stderr


def test_an_experiment_of_whole_clips_is_given_windows_of_their_length(predict, film):
    found = read(predict(film(seconds=5.0), "--format", "json", "--experiment", "clips"))
    (one,) = found["files"]
    assert [(r["start_s"], r["end_s"]) for r in one["rows"]] == [(0, 2), (2, 4), (3, 5)]


def test_all_pictures_of_a_window_count_alike(trained_once, film):
    p = trained.load("clips", trained_once)
    seen = recording.read(film(), None, p.decode)
    first, last = seen.pictures
    both, turned, one = (
        prediction.predict(p, replace(seen, pictures=pictures)).probs
        for pictures in ((first, last), (last, first), (last, last))
    )
    np.testing.assert_allclose(turned, both, rtol=1e-5)
    assert not np.allclose(one, both, rtol=1e-5)


def test_a_second_in_two_windows_counts_once(predict, film):
    (one,) = read(predict(film(seconds=5.0), "--format", "json", "--experiment", "clips"))["files"]
    first, second, last = probabilities(one)  # of 0-2, 2-4 and 3-5 s
    expected = (2 * first + 2 * second + last) / 5
    assert [one["probs"][s] for s in SCENES] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("spans", [[(0, 10)], [(0, 1), (1, 2), (2, 3)], [(0, 4), (4, 8)]])
def test_rows_that_do_not_overlap_count_alike_to_the_last_bit(spans):
    probs = np.random.default_rng(3).dirichlet(np.ones(3), len(spans))
    found = prediction.Timeline(SCENES, tuple(spans), probs, (), ()).whole
    np.testing.assert_array_equal(found, probs.mean(axis=0))


def test_a_file_shorter_than_the_clips_of_training_is_said(predict, film):
    done = predict(film(seconds=1.0), "--experiment", "clips")
    assert done.exit_code == 0
    assert "1 s long; clips learned from clips of 2 s" in done.stderr


def test_a_head_that_takes_no_shorter_clips_refuses_them(trained_once, film):
    def refuse(*_):
        raise RuntimeError("shapes cannot be multiplied")

    p = trained.load("clips", trained_once)
    p.fitted.system.head.register_forward_pre_hook(refuse)
    with pytest.raises(ValueError, match=r"clips learned from clips of 2 s .* one of 1 s"):
        prediction.predict(p, recording.read(film(seconds=1.0), None, p.decode))


def test_an_encoder_with_damaged_weights_predicts_nothing(trained_once, film):
    p = trained.load("sight", trained_once)
    with torch.no_grad():
        next(p.encoders["video"].model.parameters()).fill_(torch.nan)
    with pytest.raises(ValueError, match="embedding of the pictures is NaN or infinite; are the e"):
        prediction.predict(p, recording.read(film(), None, p.decode))


def test_embeddings_made_with_other_parameters_are_noticed(trained_once, tmp_path):
    root = shutil.copytree(trained_once, tmp_path / "project")
    params = json.dumps(PARAMS["embed"]["logmel"] | {"n_mels": 3})
    clips = {"a": ("0" * 64, {"embedding": np.zeros((1, 3), np.float32)})}
    toy_shards.write(
        root / "data/embeddings/logmel/a.h5", clips, about={"params": params}, quarantined={}
    )
    with pytest.raises(ValueError, match=r"was made with .*'n_mels': 3.* params.yaml now says"):
        trained.load("sound", root)
    assert trained.load("sight", root).experiment == "sight"


def test_the_length_of_clips_may_differ_from_that_of_the_data_set(trained_once, tmp_path):
    root = shutil.copytree(trained_once, tmp_path / "project")
    clip = media.arrays(np.zeros((1, 2, 16000), np.float32), [b"jpeg"])
    about = {"params": json.dumps(DECODE | {"seconds": 10})}
    toy_shards.write(root / "data/media/a.h5", {"a": ("0" * 64, clip)}, about=about, quarantined={})
    assert dict(trained.load("sound", root).decode) == DECODE
    params = params_files.read(root)
    params["decode"]["short_side_px"] = 64
    params_files.write(root, params)
    with pytest.raises(ValueError, match="data/media was made with"):
        trained.load("sound", root)


def test_completion_offers_trained_experiments(trained_once, monkeypatch):
    monkeypatch.chdir(trained_once)
    assert command._complete("s") == ["sight", "sound"]


def copied(trained_once, tmp_path, name):
    """Return a copy of the project with one trained experiment, and its state and config."""
    shutil.copytree(trained_once, tmp_path / "copy")
    state, config = models.read(tmp_path / "copy/data/models" / name)
    return tmp_path / "copy", state, config


def test_weights_that_are_not_finite_are_refused_before_any_file(trained_once, run, film, tmp_path):
    root, state, config = copied(trained_once, tmp_path, "both")
    broken = {k: v * torch.nan if k == "head.classify.bias" else v for k, v in state.items()}
    models.write(root / "data/models/both", broken, config)
    done = run("predict", film(), "--experiment", "both", "--project", root)
    assert done.exit_code == 2
    assert "head.classify.bias holds NaN or infinity" in done.stderr


def test_names_of_scenes_steer_no_terminal_and_are_no_formulas(trained_once, run, film, tmp_path):
    root, state, config = copied(trained_once, tmp_path, "both")
    scenes = ["\x1b]0;title\x07bus", "=HYPERLINK(1)", "tram"]
    models.write(root / "data/models/both", state, config | {"scenes": scenes})
    asked = ("predict", film("=1+1.mp4"), "--experiment", "both", "--project", root)
    shown = run(*asked)
    assert shown.exit_code == 0, shown.stderr
    assert "\\x1b]0;title\\x07bus" in shown.stdout
    assert "\x1b]" not in shown.stdout + shown.stderr
    for form in ("table", "csv"):
        assert run(*asked, "--format", form, "--output", tmp_path / "out").exit_code == 0
        text = (tmp_path / "out").read_text()
        assert "\x1b]" not in text or form == "csv"
    assert "'=HYPERLINK(1)" in text.splitlines()[0]


def test_predictions_of_another_split_are_named(trained_once, run, film, tmp_path):
    root, *_ = copied(trained_once, tmp_path, "both")
    rows = manifest.read(root / "data/manifest/labels_train.csv", manifest.LABELS)
    rows[1]["split"] = "train"
    manifest.write(root / "data/manifest/labels_train.csv", manifest.LABELS, rows)
    done = run("predict", film(), "--project", root)
    assert done.exit_code == 2
    assert "predicts 'park-a-1-1', which labels_train.csv does not have in the vali" in done.stderr
    assert "run `dvc repro`" in done.stderr


def test_output_to_a_pipe_or_link_leaves_it_one(predict, film, tmp_path):
    pipe, link = tmp_path / "pipe", tmp_path / "link.csv"
    os.mkfifo(pipe)
    (tmp_path / "target.csv").write_text("old")
    link.symlink_to("target.csv")
    path = film()
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_text)
        assert predict(path, "--format", "csv", "--output", pipe).exit_code == 0
    assert pipe.is_fifo()
    assert predict(path, "--output", link).exit_code == 0
    assert link.is_symlink()
    assert (tmp_path / "target.csv").read_text() == read.result()
    assert predict(path, "--format", "csv", "--output", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("terminal", [True, False])
def test_csv_and_json_are_escaped_on_a_terminal_alone(capsys, monkeypatch, terminal):
    monkeypatch.setattr(telling.sys.stdout, "isatty", lambda: terminal)
    telling.show("a\x1b[2J,1\n\x9b,2\n")
    expected = "a\\x1b[2J,1\n\\x9b,2\n" if terminal else "a\x1b[2J,1\n\x9b,2\n"
    assert capsys.readouterr().out == expected
