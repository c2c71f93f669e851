"""A data set of the user's own: other scenes and columns, and films that carry their sound."""

import csv
import json

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import balanced_accuracy_score

from tests import params_files
from tests.pipeline.project import Project, fresh

pytestmark = pytest.mark.slow

SCENES = ['50 % off; "shop"', "bird's nest", "café", "park", "street, wet", "日本の庭"]
CITIES = ["new-york", "łódź"]
LOCATIONS, TEST = 4, 3  # of each scene: the last is the test fold's
COLUMNS = {"audio": "sound", "video": "film", "scene": "class", "identifier": "place"}
RATE = 44100
TAGGERS = {
    "ears": {
        "encoder": "ast",
        "weights": "random",
        "config": {
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
        },
        "classes": ["hiss", "hum"],
    },
    "eyes": {
        "encoder": "timm_image",
        "weights": "random",
        "name": "convnext_atto",
        "model_kwargs": {"depths": [1, 1, 1, 1], "dims": [4, 8, 12, 16]},
        "classes": ["bar", "dot", "sky"],
        "input_size": 32,
    },
}


def film(path, *, seed, codec, seconds):
    """Write a film of a drawn bar over noise, with a tone of its own as its sound."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    tone = np.sin(2 * np.pi * (200 + 50 * seed) * time) + rng.normal(0, 0.1, (2, len(time)))
    with av.open(path, "w") as file:
        video = file.add_stream("libx264", rate=5)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = file.add_stream(codec, rate=RATE)
        audio.layout = "stereo"
        for _ in range(5 * seconds):
            picture = rng.integers(0, 80, (48, 64, 3), dtype=np.uint8)
            picture[:, 2 * seed : 2 * seed + 8] = 200
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(video.encode(None))
        planar, kind = ("fltp", np.float32) if codec == "aac" else ("s16", np.int16)
        scaled = 0.3 * tone * (1 if codec == "aac" else 2**15)
        samples = scaled if codec == "aac" else scaled.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.astype(kind)), format=planar, layout="stereo"
        )
        frame.rate, frame.pts = RATE, 0
        resampler = av.AudioResampler(planar, "stereo", RATE, frame_size=1024)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(audio.encode(part))
        file.mux(audio.encode(None))


def write_csv(path, rows, *, mark="", **form):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as f:
        f.write(mark)
        writer = csv.DictWriter(f, list(rows[0]), **form)
        writer.writeheader()
        writer.writerows(rows)


def write_data_set(root):
    """Write 24 films of one or two seconds, in files whose names say nothing, and three csvs."""
    (root / "films").mkdir(parents=True)
    meta = []
    for s, scene in enumerate(SCENES):
        for place in range(LOCATIONS):
            n = len(meta)
            name = f"films/été {n}.mov" if n % 2 else f"films/Clip {n}.mp4"
            codec = "pcm_s16le" if n % 2 else "aac"
            film(root / name, seed=s, codec=codec, seconds=1 + n % 3 % 2)
            row = {"sound": name, "film": name, "class": scene}
            meta.append(row | {"place": f"{CITIES[s % 2]}-{10 * s + place}"})
    listed = [{k: r[k] for k in ("sound", "film", "class")} for r in meta]
    is_test = [n % LOCATIONS == TEST for n in range(len(meta))]
    train = [r for r, t in zip(listed, is_test, strict=True) if not t]
    test = [r for r, t in zip(listed, is_test, strict=True) if t]
    folds = root / "evaluation_setup"
    write_csv(root / "meta.csv", meta, mark="\ufeff", delimiter="\t", lineterminator="\n")
    write_csv(folds / "own_train.csv", train, lineterminator="\r\n")
    write_csv(folds / "own_evaluate.csv", test, mark="\ufeff", lineterminator="\r\n")


def profile(tree):
    """Return the toy profile for this data set: two taggers, one experiment, nothing else."""
    return {section: {} for section in tree} | {
        "data": "our films",
        "seed": tree["seed"],
        "executor": tree["executor"],
        "index": {
            "root": "data/raw/films",
            "watch": "data/raw/films",
            "val_fraction": 0.3,
            "fold": "own",
            "columns": COLUMNS,
        },
        "decode": tree["decode"] | {"seconds": None},
        "embed": TAGGERS,
        "pseudo_label": {
            "truth": "none",
            "events": {
                "tagger": "ears",
                "activation": "sigmoid",
                "pooling": "max",
                "threshold": 0.5,
            },
            "objects": {
                "tagger": "eyes",
                "activation": "softmax",
                "pooling": "mean",
                "threshold": 0.3,
            },
        },
        "bundle": {"av": ["ears", "eyes"]},
        "train": {
            "both": {"inputs": "av", "labels": "none", "head": "early", "fit": {"epochs": 2}}
        },
        "report": tree["report"] | {"systems": ["both", *11 * ["none"]]},
    }


@pytest.fixture(scope="module")
def unrun(tmp_path_factory) -> Project:
    project = fresh(tmp_path_factory.mktemp("other") / "project")
    write_data_set(project.root / "data/raw/films")
    params_files.write(project.root, profile(params_files.read(project.root)))
    return project


@pytest.fixture(scope="module")
def done(unrun) -> Project:
    unrun.repro()
    return unrun


def table(path):
    with path.open(newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def truth(project):
    rows = table(project.root / "data/manifest/labels_test.csv")
    return {r["clip_id"]: r["scene_label"] for r in rows}


def test_scenes_cities_and_ids_are_what_the_files_say(done):
    rows = [
        r
        for fold in ("train", "test")
        for r in table(done.root / f"data/manifest/labels_{fold}.csv")
    ]
    assert len(rows) == len(SCENES) * LOCATIONS
    assert {r["scene_label"] for r in rows} == set(SCENES)
    assert {r["city"] for r in rows} == set(CITIES)
    assert {r["clip_id"] for r in rows} >= {"Clip 0", "été 1"}
    assert {r["split"] for r in rows} == {"train", "val", "test"}
    media = table(done.root / "data/manifest/media.csv")
    assert all(r["audio"] == r["video"] for r in media)


def test_predictions_have_a_column_for_each_scene_and_a_row_for_each_second_of_each_film(done):
    found = pq.read_table(done.root / "data/predictions/both.parquet")
    assert found.column_names == ["clip_id", "segment", "split", *SCENES]
    test = found.filter(np.array(found["split"].to_pylist()) == "test").to_pydict()
    seconds = {c: 1 + int(c.split()[1]) % 3 % 2 for c in truth(done)}
    expected = [(c, k) for c, n in seconds.items() for k in range(n)]
    assert sorted(zip(test["clip_id"], test["segment"], strict=True)) == sorted(expected)
    assert set(seconds.values()) == {1, 2}


def test_metrics_are_four_numbers(done):
    found = json.loads((done.root / "metrics/both.json").read_text())
    assert found.keys() == {"segment", "clip"}
    for protocol in ("segment", "clip"):
        assert found[protocol].keys() == {"log_loss", "accuracy"}
        assert found[protocol]["log_loss"] > 0
        assert 0 <= found[protocol]["accuracy"] <= 1


def test_the_accuracy_is_that_of_the_predictions_against_the_csv(done):
    rows = pq.read_table(done.root / "data/predictions/both.parquet").to_pylist()
    test = [r for r in rows if r["split"] == "test"]
    labels = [truth(done)[r["clip_id"]] for r in test]
    chosen = [max(SCENES, key=lambda scene: r[scene]) for r in test]
    found = json.loads((done.root / "metrics/both.json").read_text())["segment"]
    assert found["accuracy"] == pytest.approx(balanced_accuracy_score(labels, chosen), abs=5.1e-5)


@pytest.mark.parametrize("name", ["confusion", "per_class"])
def test_tables_name_every_scene(done, name):
    rows = table(done.root / f"metrics/both/{name}.csv")
    for protocol in ("segment", "clip"):
        mine = [r for r in rows if r["protocol"] == protocol]
        assert {r["scene_label"] for r in mine if r["scene_label"] in SCENES} == set(SCENES)
        if name == "confusion":
            assert {r["predicted"] for r in mine} >= set(SCENES)


def test_pseudo_labels_have_the_names_that_the_taggers_know(done):
    found = pq.read_table(done.root / "data/pseudo_labels.parquet").to_pydict()
    assert len(found["clip_id"]) == len(SCENES) * LOCATIONS
    assert {name for row in found["events"] for name in row} <= {"hiss", "hum"}
    assert {name for row in found["objects"] for name in row} <= {"bar", "dot", "sky"}


@pytest.fixture
def broken(unrun, tmp_path):
    """A copy in which two films are gone and one has an unknown scene; indexed before that."""
    project = unrun.copy(tmp_path / "project")
    project.run("python", "-m", "stages.index")
    root = project.root / "data/raw/films"
    for name in ("Clip 0.mp4", "été 3.mov"):
        (root / "films" / name).unlink()
    path = root / "evaluation_setup/own_evaluate.csv"
    text = path.read_bytes().decode()
    path.write_bytes(text.replace("été 7.mov,bird's nest", "été 7.mov,lake").encode())
    return project


def test_index_names_everything_that_is_wrong_in_one_message_and_changes_nothing(broken):
    manifest = broken.root / "data/manifest"
    before = {p.name: p.read_bytes() for p in manifest.iterdir()}
    failed = broken.run("python", "-m", "stages.index", check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: data/raw/films: ")
    assert "films/Clip 0.mp4 (" in failed.stderr
    assert "films/été 3.mov (" in failed.stderr
    assert "unknown scene (1)" in failed.stderr
    assert "'lake' (evaluation_setup/own_evaluate.csv:" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert {p.name: p.read_bytes() for p in manifest.iterdir()} == before


def test_dvc_stops_at_an_index_that_fails(broken):
    failed = broken.run("dvc", "repro", check=False)
    assert failed.returncode != 0
    assert "films/été 3.mov (" in failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr
    assert "Running stage 'decode'" not in failed.stdout


def test_a_traceback_is_shown_to_who_asks_for_it(broken, monkeypatch):
    monkeypatch.setenv("AVSC_DEBUG", "1")
    failed = broken.run("python", "-m", "stages.index", check=False)
    assert failed.returncode == 1
    assert "Traceback" in failed.stderr
    assert "DatasetError: data/raw/films: " in failed.stderr


def test_a_stage_without_its_parameters_says_which_there_are(broken):
    failed = broken.run("python", "-m", "stages.embed", "nose", check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: params.yaml has no 'embed.nose'; in place of 'nose'")
    assert "Traceback" not in failed.stderr
