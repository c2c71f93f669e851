"""A small run of made-up numbers, whose names try to be markup, and the page made of it."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avsc.artifacts import metrics, results
from avsc.reporting import clips, page
from avsc.reporting.blocks import Results

SCENE = "</script><img src=x onerror=alert(1)>"
SYSTEM = "<img src=x onerror=alert(2)>"
CLIP = "\"'><svg onload=alert(3)>"
CITY = "{{ 7 * 7 }} & <b>co"
DATA = "toy <i>& co"
SCENES = [SCENE, "park"]
SYSTEMS = ["early", SYSTEM]
PROTOCOLS = ("segment", "clip")
NAMES = {
    "systems": [*SYSTEMS, "absent"],
    "pretrain": ["ears"],
    "compare": ["pair"],
    "fusion": ["early"],
    "robustness": ["early"],
    "study": ["modules"],
    "map": ["rows", "classes"],
}
LABELS = [
    {"clip_id": c, "scene_label": s, "city": CITY, "location": f"{CITY}-{i}", "split": "test"}
    for i, (c, s) in enumerate([(CLIP, SCENE), ("park-1", "park"), ("park-2", "park")])
]


def of_system(root: Path, name: str, shift: float) -> None:
    """Write what `score` and `train` write of a system."""
    headline = {
        p: {"log_loss": 1.25 + shift + i, "accuracy": 0.5 - shift} for i, p in enumerate(PROTOCOLS)
    }
    metrics.write(root / f"{name}.json", headline)
    tables = {t: [] for t in ("intervals", "per_class", "confusion", "calibration", "places")}
    for protocol in PROTOCOLS:
        about = {"data": DATA, "protocol": protocol}
        for metric, value in headline[protocol].items():
            bounds = {"bootstrap_low": value - 0.125, "bootstrap_high": value + 0.25}
            others = {"jackknife_low": None, "jackknife_high": value + 0.5}
            sizes = {"locations": 3, "resamples": 2000}
            row = {
                **about,
                "metric": f"{metric}_macro",
                "value": value,
                **bounds,
                **others,
                **sizes,
            }
            tables["intervals"].append(row)
        for i, scene in enumerate(SCENES):
            shares = {"precision": 0.1 + i, "recall": 0.2 + shift, "f1": 0.3, "support": 7 + i}
            tables["per_class"].append({**about, "scene_label": scene, **shares, "log_loss": 0.625})
            for j, said in enumerate(SCENES):
                count = {"predicted": said, "count": 3 * i + j}
                tables["confusion"].append({**about, "scene_label": scene, **count})
        for when in ("before", "after"):
            fit = {"when": when, "temperature": 1.5, "ece": 0.0625, "bin_low": 0.5, "bin_high": 1}
            bins = {"items": 9, "confidence": 0.75, "accuracy": 0.875}
            tables["calibration"].append({**about, **fit, **bins})
        for location in ("", f"{CITY}-1"):
            place = {"city": CITY, "location": location, "items": 4}
            tables["places"].append({**about, **place, "log_loss": 2.5, "accuracy": 0.25})
    for table, rows in tables.items():
        metrics.write_table(root / name / f"{table}.csv", rows)
    epochs = [
        {"phase": "fit", "epoch": e, "lr": 0.1, "train_loss": 2.0 - e, "val_loss": 2.5 - e}
        for e in range(2)
    ]
    metrics.write_table(root / name / "history.csv", epochs)


def of_analyses(root: Path) -> None:
    """Write what the stages after `score` write."""
    pair = {"one": "early", "other": SYSTEM, "difference": -0.375, "low": -0.5, "high": 0.125}
    compared, fused, disturbed, classes = [], [], [], []
    for protocol in PROTOCOLS:
        about = {"data": DATA, "protocol": protocol}
        nothing = {"b": None, "c": None, "p": None}
        compared.append({**about, "metric": "log_loss_macro", **pair, **nothing})
        compared.append({**about, "metric": "accuracy_macro", **pair, "b": 11, "c": 5, "p": 0.0})
        for scene in SCENES:
            row = {**about, "scene_label": scene, "items": 6, "gain": 0.125}
            for s in ("fused", "audio", "video"):
                row |= {f"{s}_accuracy": 0.75, f"{s}_precision": 0.625}
                row |= {f"{s}_f1": 0.5, f"{s}_log_loss": 1.125}
            for i, c in enumerate(("both_right", "audio_right", "video_right", "none_right")):
                row |= {c: i + 1, f"{c}_fused": i}
            fused.append(row)
            classes.append({"cell": "A & <b>B", **about, "scene_label": scene, "f1": 0.4375})
        for kind, strength, unit in (
            ("none", None, ""),
            ("missing_audio", None, ""),
            ("gain", -20, "dB"),
        ):
            what = {"kind": kind, "strength": strength, "unit": unit}
            scores = {"log_loss_macro": 1.75, "accuracy_macro": 0.3125}
            disturbed.append({**about, **what, **scores})
    metrics.write_table(root / "compare/pair.csv", compared)
    metrics.write_table(root / "fusion/early.csv", fused)
    cell = {"data": DATA, "protocol": "clip", "cell": "both_right", "fused_right": 1}
    behind = [cell | {"clip_id": c, "scene_label": SCENE} for c in (CLIP, "not on the page")]
    metrics.write_table(root / "fusion/early_clips.csv", behind)
    metrics.write_table(root / "robustness/early.csv", disturbed)
    row = {"data": DATA, "study": "modules", "cell": "A & <b>B", "seeds": 2}
    for i, protocol in enumerate(PROTOCOLS):
        for score in ("log_loss_macro", "accuracy_macro"):
            for fold in ("", "val_"):
                name = f"{fold}{protocol}_{score}"
                row |= {name: 0.6875 + i, f"{name}_sd": 0.03125}
    row |= {"published_protocol": "clip micro", "published_log_loss": 0.5075}
    metrics.write_table(root / "studies/modules.csv", [row | {"published_accuracy": 81.6}])
    metrics.write_table(root / "studies/modules_per_class.csv", classes)
    points = [
        {"data": DATA, "clip_id": r["clip_id"], "segment": 0, "x": i / 2, "y": -i / 4}
        for i, r in enumerate(LABELS)
    ]
    metrics.write_table(root / "maps/rows.csv", points)
    names = [("events", SCENE, 0.5), ("objects", "tree", 1.5)]
    learned = [{"data": DATA, "kind": k, "name": n, "x": x, "y": 0.25} for k, n, x in names]
    metrics.write_table(root / "maps/classes.csv", learned)


def of_inputs(root: Path) -> None:
    metrics.write_table(root / "decode.csv", [{"data": DATA, "clips": 17, "quarantined": 1}])
    tagger = {"data": DATA, "tagger": "ears", "mAP": 0.8125, "chance": 0.1875, "train_loss": 0.5625}
    metrics.write_table(root / "pretrain/ears.csv", [tagger])
    kind = {"data": DATA, "labels_per_item": 1.5, "classes_used": 7}
    kinds = [kind | {"kind": name} for name in ("events", "objects")]
    metrics.write_table(root / "pseudo_labels.csv", kinds)


def jpeg(red: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (red, 80, 80)).save(buffer, "JPEG")
    return buffer.getvalue()


def clip(label: dict[str, str]) -> clips.Clip:
    second = np.array([[0.75, 0.25], [0.125, 0.875], [0.5, 0.5]])
    tags = clips.Tags([SCENE, "hum"], np.array([[0.25, 0.5], [0.75, 0.125], [0.5, 0.25]]))
    return clips.Clip(
        about={k: v for k, v in label.items() if k != "split"},
        pictures=[jpeg(60 * k) for k in range(3)],
        logmel=np.log(np.arange(1, 13, dtype=np.float32).reshape(3, 4)),
        tags={"events": tags, "objects": clips.Tags(["tree"], np.array([[0.25]]))},
        probs={"early": second, SYSTEM: np.array([[0.25, 0.75]])},
    )


@dataclass(frozen=True)
class Run:
    """A folder with metrics/ and the page made of them."""

    root: Path

    def results(self, names=NAMES) -> Results:
        return Results(results.read(self.root / "metrics", page.files(names)))

    def html(self, names=NAMES, data=DATA, map_points=100) -> str:
        entries = [clips.entry(clip(r), short_side_px=24, quality=60) for r in LABELS[:2]]
        return page.render(
            self.results(names),
            data=data,
            names=names,
            labels=LABELS,
            browser={"scenes": SCENES, "systems": SYSTEMS, "clips": entries},
            map_points=map_points,
        )


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Run:
    root = tmp_path_factory.mktemp("run")
    for i, system in enumerate(SYSTEMS):
        of_system(root / "metrics", system, 0.125 * i)
    of_analyses(root / "metrics")
    of_inputs(root / "metrics")
    return Run(root)


@pytest.fixture(scope="session")
def html(run) -> str:
    return run.html()
