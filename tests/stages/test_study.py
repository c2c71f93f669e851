import json

import numpy as np
import pytest
import yaml

from avsc.artifacts import manifest, predictions, shard
from stages import study

CLIPS = {"train": [f"t{i}" for i in range(12)], "val": ["v0", "v1"], "test": ["x0", "x1"]}
BASE = {"audio": "ears", "video": "eyes", "labels": "none", "head": "early"}
FIT = {"epochs": 3, "batch_size": 8, "lr": 0.01}


def embeddings(directory, *, seed, dim):
    rng = np.random.default_rng(seed)
    clips = [c for some in CLIPS.values() for c in some]
    arrays = {c: (c, {"embedding": rng.normal(3, 2, (3, dim)).astype(np.float32)}) for c in clips}
    about = {"scope": "segment", "modality": "audio"}
    shard.write(directory / "a.h5", arrays, about=about, quarantined={})


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    embeddings(tmp_path / "data/embeddings/ears", seed=0, dim=3)
    embeddings(tmp_path / "data/embeddings/eyes", seed=1, dim=2)
    labels = [
        {"clip_id": c, "scene_label": "bus" if i % 2 else "park", "city": "x", "location": c}
        | {"split": split}
        for split in ("train", "val")
        for i, c in enumerate(CLIPS[split])
    ]
    manifest.write(tmp_path / "data/manifest/labels_train.csv", manifest.LABELS, labels)
    return tmp_path


def run(project, name, **more):
    """Run the stage; return (cell, seed, probabilities of the test fold) of what it wrote."""
    rows = {
        "plain": {},
        "mixed": {"set": {"fit.mixup": 0.4}},  # cannot be stacked
        "audio": {"set": {"video": "none"}},
    }
    asked = {"seeds": [1, 2, 3], "base": BASE | {"fit": FIT}, "rows": rows} | more
    (project / "params.yaml").write_text(yaml.safe_dump({"study": {name: asked}}, sort_keys=False))
    study.main(name)
    out = project / "data/studies" / name
    index = json.loads((out / "cells.json").read_text())
    return [
        (c["cell"], c["seed"], predictions.read(out / f"{number:04d}.parquet", "test").probs)
        for number, c in enumerate(index)
    ]


def test_seeds_trained_at_once_are_those_trained_one_after_the_other(project, monkeypatch):
    monkeypatch.setenv("AVSC_PROCESSES", "1")
    sizes = []
    fit = study.stacked.fit
    monkeypatch.setattr(
        "avsc.training.stacked.fit", lambda s, *a, **k: sizes.append(len(s)) or fit(s, *a, **k)
    )
    alone = run(project, "alone")
    assert sizes == []
    together = run(project, "together", stack=True)
    assert sizes == [3, 3]  # plain and audio
    assert [cell for *cell, _ in together] == [cell for *cell, _ in alone]
    assert [cell for cell, *_ in together] == [
        c for c in ("plain", "mixed", "audio") for _ in "123"
    ]
    for (cell, _, found), (*_, expected) in zip(together, alone, strict=True):
        np.testing.assert_allclose(found, expected, atol=0 if cell == "mixed" else 1e-3)


def test_a_study_of_one_seed_has_nothing_to_stack(project):
    alone, together = run(project, "alone", seeds=[4]), run(project, "t", seeds=[4], stack=True)
    for (*_, found), (*_, expected) in zip(together, alone, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_cells_trained_side_by_side_are_those_trained_one_after_the_other(project, monkeypatch):
    written = []
    for processes in ("1", "3"):
        monkeypatch.setenv("AVSC_PROCESSES", processes)
        run(project, f"by{processes}")
        files = sorted((project / f"data/studies/by{processes}").iterdir())
        written.append([(f.name, f.read_bytes()) for f in files])
    assert len(written[0]) == 3 * 3 + 1
    assert written[0] == written[1]


@pytest.mark.slow
@pytest.mark.parametrize("count", ["1", "2"])
def test_a_cell_that_fails_is_the_error_of_the_study_which_names_it(project, monkeypatch, count):
    monkeypatch.setenv("AVSC_PROCESSES", count)
    rows = {"plain": {}, "wild": {"set": {"fit.lr": 1e30}}}
    with pytest.raises(ValueError, match=r"training loss is (nan|inf).*lower fit.lr") as told:
        run(project, "wild", rows=rows)
    assert "wild, seed" in told.value.__notes__[0]
    assert not (project / "data/studies/wild/cells.json").exists()
