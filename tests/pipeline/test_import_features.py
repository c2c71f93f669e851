"""Features in the official baseline's layout, imported, trained on and scored by the pipeline."""

import csv
import json

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from dvc.repo import Repo

from avsc.artifacts import embeddings, shard
from tests.pipeline.project import covered
from tests.pipeline.test_dvc import WITHOUT_EFFECT_ON_RESULTS

pytestmark = pytest.mark.slow

SCENES = ["bus", "park", "tram"]
FRAMES = 16  # of two seconds at a hop of a tenth
CHEAP = {"epochs": 10, "lr": 0.003}


def frames_of(clip_id, kind):
    """Return drawn frames that tell the scene, the same for the same clip."""
    rng = np.random.default_rng(sum(map(ord, clip_id + kind)))
    frames = rng.normal(size=(FRAMES, 512)).astype(np.float32)
    frames[:, SCENES.index(clip_id.split("-")[0]) :: 3] += 1
    return frames


def clips(project):
    with (project.root / "data/manifest/media.csv").open(newline="") as f:
        return [(r["clip_id"], r["fold"]) for r in csv.DictReader(f)]


def write_baseline_features(project):
    """Write {audio,video}_features_data/{tr,val,tt}.hdf5 as create_data/create_*.py do."""
    train = [c for c, fold in clips(project) if fold == "train"]
    test = [c for c, fold in clips(project) if fold == "test"]
    for kind in ("audio", "video"):
        folder = project.root / f"data/raw/openl3/{kind}_features_data"
        folder.mkdir(parents=True)
        for name, own in {"tr": train[2:], "val": train[:2], "tt": test}.items():
            with h5py.File(folder / f"{name}.hdf5", "w") as f:
                for c in own:
                    path = f"{SCENES.index(c.split('-')[0])}/{kind}/{c}"
                    if name == "tt":
                        f[path] = frames_of(c, kind)
                    else:
                        for k, frame in enumerate(frames_of(c, kind)):
                            f[f"{path}/{k}"] = frame
        np.savez(folder / "global_mean_std.npz", global_mean=np.zeros(512), global_std=np.ones(512))


def block(kind, **more):
    root = f"data/raw/openl3/{kind}_features_data"
    files = ["tr.hdf5", "val.hdf5", "tt.hdf5"]
    return {"root": root, "files": files, "modality": kind, "select": "official", **more}


def system(head, suffix="", **more):
    return {"inputs": f"openl3{suffix}", "labels": "none", "head": head, "fit": CHEAP, **more}


@pytest.fixture
def project(toy):
    """Return the toy project with nothing but imported features to train on."""
    write_baseline_features(toy)
    none = ("map", "ensemble", "compare", "fusion", "disturb", "robustness", "study")
    none += ("bundle_disturbed",)
    toy.edit(
        **{section: {} for section in none},
        import_features={
            f"openl3_{kind}{suffix}": block(kind, **more)
            for kind in ("audio", "video")
            for suffix, more in {
                "": {"views": 10},
                "_middle": {"select": "middle"},
                "_frames": {"select": "sequence"},
            }.items()
        },
        bundle={f"openl3{s}": [f"openl3_audio{s}", f"openl3_video{s}"] for s in SUFFIXES},
        train={
            "early": system("early", views=["audio", "video"]),
            "intermediate": system("intermediate", "_middle"),
            "late": system("late", "_frames"),
            "weighted": system("weighted", "_frames"),
        },
        report__systems=["early", "intermediate", *["none"] * 10],
    )
    return toy


def scores(project, name):
    return json.loads((project.root / f"metrics/{name}.json").read_text())


def test_imported_features_are_trained_on_and_scored(project):
    ran = project.repro("score")
    imported = {f"import_features@openl3_{k}{s}" for k in ("audio", "video") for s in SUFFIXES}
    systems = ["early", "intermediate", "late", "weighted"]
    bundles = {f"bundle@openl3{s}" for s in SUFFIXES}
    trained = {f"{s}@{n}" for s in ("train", "score") for n in systems}
    assert set(ran.stages) == {"code"} | imported | bundles | trained  # there are other studies
    assert "import_features openl3_audio: 24 encoded" in ran.output
    for name in systems:
        found = scores(project, name)
        assert found["clip"]["accuracy"] == 1  # every third feature says which scene it is
        assert ("segment" in found) == (name in ("early", "intermediate"))
    check_rows(project)
    check_predictions(project)
    check_declared(project)
    assert project.repro("score").stages == []


SUFFIXES = ("", "_middle", "_frames")


def check_rows(project):
    """The rows are the frames that each rule names, as an encoder's shards hold them."""
    for clip_id, fold in clips(project):
        for kind in ("audio", "video"):
            frames = frames_of(clip_id, kind)
            found = {
                s: embeddings.read(project.root / f"data/embeddings/openl3_{kind}{s}", [clip_id])
                for s in SUFFIXES
            }
            np.testing.assert_array_equal(found[""].rows, frames[[0, 8]])
            np.testing.assert_array_equal(found["_middle"].rows, frames[[5, 15]])
            np.testing.assert_array_equal(found["_frames"].rows, frames[None])
            assert [f.scope for f in found.values()] == ["segment", "segment", "clip"]
            with_views = shard_of(project, f"openl3_{kind}", clip_id)
            assert ("views" in with_views) == (fold == "train")
            if fold == "train":
                np.testing.assert_array_equal(with_views["views"][:, 0], frames[[0, 8]])
    for path in (project.root / "data/embeddings/openl3_video").glob("*.h5"):
        with shard.reading(path) as s:
            assert s.about["modality"] == "video"
            assert s.about["made_by"] == "import_features openl3_video"


def shard_of(project, name, clip_id):
    for path in shard.paths(project.root / f"data/embeddings/{name}"):
        with shard.reading(path) as s:
            if clip_id in s.clip_id:
                return s.clip(clip_id)
    raise AssertionError(clip_id)


def check_predictions(project):
    rows = pq.read_table(project.root / "data/predictions/early.parquet").to_pylist()
    test = {c for c, fold in clips(project) if fold == "test"}
    assert {(r["clip_id"], r["segment"]) for r in rows if r["split"] == "test"} == {
        (c, k) for c in test for k in (0, 1)
    }


def check_declared(project):
    for stage in Repo(str(project.root)).index.stages:
        if stage.name.startswith("import_features@"):
            deps = [d.def_path for d in stage.deps]
            loaded = project.loaded()[stage.name]
            assert set(loaded) - WITHOUT_EFFECT_ON_RESULTS <= covered(project, stage)
            assert not any("labels" in d for d in deps)


def test_one_changed_clip_alone_is_imported_again(project):
    project.repro("import_features@openl3_audio")
    with h5py.File(project.root / "data/raw/openl3/audio_features_data/tt.hdf5", "r+") as f:
        scene, *_ = f
        clip_id, *_ = f[f"{scene}/audio"]
        f[f"{scene}/audio/{clip_id}"][0] = 7
    ran = project.repro("import_features@openl3_audio")
    assert "import_features openl3_audio: 1 encoded" in ran.output


def test_every_clip_that_is_not_there_is_named(project):
    path = project.root / "data/raw/openl3/audio_features_data/val.hdf5"
    with h5py.File(path, "r") as f:
        lost = [c for scene in f.values() for c in scene["audio"]]
    path.unlink()
    with h5py.File(path, "w"):
        pass
    done = project.run("dvc", "repro", "import_features@openl3_audio", check=False)
    assert done.returncode
    assert "2 of 24 clips cannot be imported" in done.stderr
    assert "absent (2):\n  " + "\n  ".join(sorted(lost)) in done.stderr
