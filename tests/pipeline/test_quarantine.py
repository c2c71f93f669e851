"""A clip that cannot be decoded: it stops the run, or it is listed and scored as an error."""

import csv
import json
import re
import shutil
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow

CLIPS, BLOCK, SECONDS = 24, 8, 2


def table(path):
    with path.open(newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def labels(project, fold):
    rows = table(project.root / f"data/manifest/labels_{fold}.csv")
    return {r["clip_id"]: r["scene_label"] for r in rows}


def last_of(project, fold):
    """Return the fold's last clip in the order of decoding."""
    media = [r["clip_id"] for r in table(project.root / "data/manifest/media.csv")]
    clip_id = [c for c in media if c in labels(project, fold)][-1]
    assert media.index(clip_id) >= BLOCK  # a block is finished before
    return clip_id


@pytest.fixture(scope="module")
def damaged(reproduced, tmp_path_factory):
    """The toy project over files of which one mp4 of each fold is cut off, before decoding.

    Pictures get another size, so that nothing decoded before can be taken over.
    """
    project = reproduced.copy(tmp_path_factory.mktemp("damaged") / "project")
    own = project.root / "data/raw/own"
    shutil.copytree(project.root / "data/raw/demo", own)
    cut = {fold: last_of(project, fold) for fold in ("train", "test")}
    for clip_id in cut.values():
        path = own / f"video/{clip_id}.mp4"
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data[: len(data) // 2])
    project.edit(synthesize={}, index__root="data/raw/own", index__watch="data/raw/own")
    project.edit(decode__short_side_px=40)
    return project, cut


@pytest.fixture(scope="module")
def stopped(damaged):
    """What `dvc repro` says when decode.on_error is stop."""
    project, _ = damaged
    return project.run("dvc", "repro", "decode", check=False)


@pytest.fixture(scope="module")
def scored(damaged, stopped):
    """The same project, and what a run with decode.on_error: quarantine did."""
    assert stopped.returncode
    project, cut = damaged
    project.edit(decode__on_error="quarantine")
    return project, cut, project.repro("score@audio")


def test_stop_names_file_position_and_cause(damaged, stopped):
    _, cut = damaged
    assert stopped.returncode != 0
    told = [line for line in stopped.stderr.splitlines() if line.startswith("error: ")]
    assert len(told) == 1
    assert re.match(
        r"error: data/raw/own/video/(\S+)\.mp4 at \d+\.\d{3} s: .*(cut off|cannot read)", told[0]
    )
    assert any(f"{clip_id}.mp4" in told[0] for clip_id in cut.values())
    assert "Traceback" not in stopped.stderr


def test_what_was_decoded_before_the_stop_is_not_decoded_again(scored):
    _, _, ran = scored
    tally = re.search(
        r"^decode: (\d+) encoded, 0 kept, 0 taken over, (\d+) resumed, 2 quarantined",
        ran.output,
        re.MULTILINE,
    )
    encoded, resumed = map(int, tally.groups())
    assert encoded + resumed == CLIPS
    assert resumed >= BLOCK


def test_quarantine_lists_both_clips_with_file_position_and_cause(scored):
    project, cut, _ = scored
    rows = {r["clip_id"]: r["cause"] for r in table(project.root / "data/quarantine.csv")}
    assert rows.keys() == set(cut.values())
    for clip_id, cause in rows.items():
        assert re.match(rf"data/raw/own/video/{clip_id}\.mp4 at \d+\.\d{{3}} s: \w", cause)


def test_the_metrics_of_decode_count_the_clips_in_quarantine(scored):
    project, _, _ = scored
    (found,) = table(project.root / "metrics/decode.csv")
    assert found == {"data": "toy", "clips": str(CLIPS), "quarantined": "2"}


def test_training_goes_on_without_the_clip(scored):
    project, cut, ran = scored
    assert "train@audio" in ran.stages
    assert ran.encoded["embed scalogram"] == CLIPS - 2
    found = pq.read_table(project.root / "data/predictions/audio.parquet").to_pydict()
    assert not set(cut.values()) & set(found["clip_id"])
    test = {c for c, s in zip(found["clip_id"], found["split"], strict=True) if s == "test"}
    assert test == set(labels(project, "test")) - set(cut.values())


def test_a_test_clip_in_quarantine_is_counted_as_an_error_and_never_dropped(scored):
    project, cut, _ = scored
    rows = pq.read_table(project.root / "data/predictions/audio.parquet").to_pylist()
    truth = labels(project, "test")
    scenes = sorted(set(truth.values()))
    right, log_loss = Counter(), dict.fromkeys(scenes, 0.0)
    for r in rows:
        if r["split"] == "test":
            scene = truth[r["clip_id"]]
            right[scene] += max(scenes, key=lambda s: r[s]) == scene
            log_loss[scene] -= np.log(r[scene])
    support = {s: SECONDS * n for s, n in Counter(truth.values()).items()}
    accuracy = np.mean([right[s] / support[s] for s in scenes])
    found = json.loads((project.root / "metrics/audio.json").read_text())["segment"]
    assert found["accuracy"] == pytest.approx(accuracy, abs=5.1e-5)
    log_loss[truth[cut["test"]]] += SECONDS * np.log(len(scenes))  # knowing nothing
    expected = np.mean([log_loss[s] / support[s] for s in scenes])
    assert found["log_loss"] == pytest.approx(expected, abs=5.1e-5)


def test_the_tables_say_how_many_were_lost_and_keep_the_support(scored):
    project, _, _ = scored
    scores = {r["protocol"]: r for r in table(project.root / "metrics/audio/scores.csv")}
    truth = labels(project, "test")
    for protocol, per_clip in {"segment": SECONDS, "clip": 1}.items():
        assert int(scores[protocol]["quarantined"]) == per_clip
        assert int(scores[protocol]["items"]) == per_clip * len(truth)
        rows = table(project.root / "metrics/audio/per_class.csv")
        support = {r["scene_label"]: int(r["support"]) for r in rows if r["protocol"] == protocol}
        expected = {s: per_clip * n for s, n in Counter(truth.values()).items()}
        assert {s: support[s] for s in expected} == expected


def test_going_back_to_stop_names_what_is_in_quarantine(scored, tmp_path):
    project = scored[0].copy(tmp_path / "project")
    project.edit(decode__on_error="stop")
    failed = project.run("dvc", "repro", "decode", check=False)
    assert failed.returncode != 0
    assert "2 clips were quarantined by an earlier run, the first '" in failed.stderr
