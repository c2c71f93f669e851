"""Scores that do not move with the CPU: a run under two kinds of BLAS and torch kernels."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from avsc.artifacts import bundles, manifest
from stages import train
from tests.artifacts import toy_shards
from tests.pipeline.project import ROOT

pytestmark = pytest.mark.slow

SCENES, SECONDS = ("bus", "park", "tram"), 4
KERNELS = {
    "wide": {"OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2"},
    "narrow": {
        "OPENBLAS_CORETYPE": "Prescott",
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    },
}
MEMBERS = ["logistic", "gated", "none", "none", "none", "none"]
PARAMS = {
    "data": "toy",
    "seed": 1,
    "decode": {"seconds": SECONDS},
    "train": {
        "logistic": {"inputs": "both", "labels": "none", "head": "logistic", "hparams": {"C": 1.0}},
        "gated": {
            "inputs": "both",
            "labels": "none",
            "head": "gated",
            "fit": {"epochs": 3, "lr": 0.01},
        },
    },
    "ensemble": {"average": {"members": MEMBERS, "head": "average"}},
}
RUN = """
from stages import ensemble, score, train
train.main("logistic")
ensemble.main("average")
for name in ("logistic", "average", "gated"):
    score.main(name)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Embeddings of three scenes that overlap, and `gated` trained on them."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS))
    rng = np.random.default_rng(1)
    rows = {"train": [], "val": [], "test": []}
    for split, places in (("train", 4), ("val", 2), ("test", 2)):
        for i in range(places * len(SCENES)):
            about = {"city": "oslo", "location": f"oslo-{split}{i}", "split": split}
            rows[split].append({"clip_id": f"{split}{i}", "scene_label": SCENES[i % 3]} | about)
    labels = [*rows["train"], *rows["val"]]
    manifest.write(Path("data/manifest/labels_train.csv"), manifest.LABELS, labels)
    manifest.write(Path("data/manifest/labels_test.csv"), manifest.LABELS, rows["test"])
    manifest.write(Path("data/quarantine.csv"), manifest.QUARANTINE, [])
    for name, modality in (("ears", "audio"), ("eyes", "video")):
        centre = {s: rng.standard_normal(32) for s in SCENES}
        arrays = {}
        for row in (r for part in rows.values() for r in part):
            noise = 5 * rng.standard_normal((SECONDS, 32))
            own = (centre[row["scene_label"]] + noise).astype(np.float32)
            arrays[row["clip_id"]] = (row["clip_id"], {"embedding": own})
        about = {"modality": modality, "scope": "segment"}
        toy_shards.write(Path(f"data/embeddings/{name}/a.h5"), arrays, about=about, quarantined={})
    folder = Path("data/embeddings")
    bundles.write(folder / "both", [folder / "ears", folder / "eyes"])
    train.main("gated")
    return tmp_path


def scores(project, **kernels):
    """Run the stages under some kernels and return every file under metrics/."""
    command, env = [sys.executable, "-c", RUN], os.environ | {"PYTHONPATH": str(ROOT)} | kernels
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    files = sorted((project / "metrics").rglob("*.*"))
    return {f.relative_to(project).as_posix(): f.read_text() for f in files}


def test_two_kinds_of_kernels_give_equal_files(project):
    wide, narrow = (scores(project, **kernels) for kernels in KERNELS.values())
    assert "metrics/average/intervals.csv" in wide
    assert wide == narrow
