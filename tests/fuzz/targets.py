"""Readers to fuzz: valid files of each, what it may raise, what must hold of what it returns."""

import io
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
import torch

from avsc import params
from avsc.artifacts import (
    disturbances,
    feature_files,
    feature_process,
    manifest,
    models,
    prediction_tables,
    predictions,
    pseudo_labels,
    results,
    sealed_json,
    shard,
    submission,
    truth,
    weights,
)
from avsc.artifacts.disturbances import Disturbance
from avsc.artifacts.predictions import Predictions
from avsc.datasets import archives, tau
from avsc.media import DecodeError, picture
from tests.datasets.test_archives import zipped
from tests.fuzz import test_media as media
from tests.fuzz import test_tables as tables
from tests.fuzz.mutations import BINARY, TEXT, Damage, Errors

CLIPS = ("bus-lyon-1-1", "tram-oslo-2-1")
ROWS = np.random.default_rng(0).random((6, 5), dtype=np.float32)


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        file: where the damaged file lies in a folder of its own.
        make: given that folder, returns valid files, and writes there what else is needed.
        read: calls the reader and checks what comes back.
        errors: what may come out of it.
        named: what the messages of these name; the file where empty.
        damages: that files of this kind suffer.
        share: of the runs of a cheap reader.
        apart: how the reader is called where its library may crash or hang.
    """

    file: str
    make: Callable[[Path], list[bytes]]
    read: Callable[[Path], Any]
    errors: Errors = ValueError
    named: str = ""
    damages: tuple[Damage, ...] = tuple(BINARY)
    share: float = 1.0
    apart: Callable[[Path], Any] | None = None

    def check(self, path: Path) -> None:
        """Read a damaged file; what is not documented comes out as it is."""
        try:
            self.read(path)
        except self.errors as error:
            if (self.named or path.name) not in str(error):
                raise


def texts(*contents: str) -> Callable[[Path], list[bytes]]:
    return lambda _: [content.encode() for content in contents]


# data sets and tables


def make_data_set(folder: Path) -> list[bytes]:
    for row in (tables.TRAIN + tables.TEST).splitlines():
        for path in row.split("\t")[:2]:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(path)
    (folder / "evaluation_setup").mkdir(exist_ok=True)
    (folder / "evaluation_setup/fold1_evaluate.csv").write_text(tables.TEST)
    return [tables.TRAIN.encode(), tables.TEST.encode()]


def read_data_set(path: Path) -> None:
    root = path.parents[1].resolve()
    for row in tau.index(root, seed=1):
        for file in (row.audio, row.video):
            assert root in (root / file).resolve().parents


def reseal(path: Path) -> None:
    """Give a damaged file the right digest, so that its reader looks further."""
    if path.suffix == ".csv":
        path.write_bytes(manifest.sealed(path.read_bytes()))
        return
    with suppress(ValueError, RecursionError):
        content = json.loads(path.read_bytes())
        if isinstance(content, dict):
            sealed_json.write(path, content)


def read_media_csv(path: Path) -> None:
    reseal(path)
    root = path.resolve().parent / "root"
    for row in manifest.read(path, manifest.MEDIA):
        for kind in ("audio", "video"):
            assert root in (root / row[kind]).resolve().parents


def read_labels_csv(path: Path) -> None:
    reseal(path)
    rows = manifest.read(path, manifest.LABELS)
    assert {row["split"] for row in rows} <= {"train", "val", "test"}
    assert len({row["clip_id"] for row in rows}) == len(rows)


def read_predictions_csv(path: Path) -> None:
    table = prediction_tables.read(path)
    assert table.probs.shape == (len(table.clip_id), len(table.classes))


SUBMISSION = "filename\tscene_label\tbus\tpark\n" + "".join(
    f"{k}.wav\tbus\t0.75\t0.25\n" for k in range(3)
)


def read_submission(path: Path) -> None:
    found = submission.check(path, names=submission.official_names(3), scenes=("bus", "park"))
    assert all(kind and where for kind, where in found)
    if not found:  # what is in order has each item once
        names = [line.split("\t")[0].strip('"') for line in path.read_text().split("\n")]
        assert sorted(filter(None, names)) == ["0.wav", "1.wav", "2.wav", "filename"]


# JSON

DISTURBED = [Disturbance("white_noise_db_20", "white_noise", 20, "dB"), Disturbance("none", "none")]


def make_disturbances(folder: Path) -> list[bytes]:
    disturbances.write(folder, DISTURBED)
    return [(folder / disturbances.FILE).read_bytes()]


def read_disturbances(path: Path) -> None:
    reseal(path)
    for disturbance in disturbances.read(path.parent):
        assert (path.parent / f"{disturbance.name}.parquet").resolve().parent == path.parent


CELLS = json.dumps([{"cell": "head=late", "seed": 1}, {"cell": "head=early", "seed": 2}], indent=1)
METRICS = json.dumps({"clip": {"log_loss_macro": 0.5, "per_class": [1.0, None]}}, indent=1)


def read_table(path: Path) -> None:
    for row in results.read(path.parent, [path.name])[f"{path.parent.name}/{path.name}"]:
        assert all(isinstance(cell, str) for cell in row.values())


def make_model(folder: Path) -> list[bytes]:
    models.write(folder, {"w": torch.ones(3, 2)}, {"head": "early", "hparams": {"k": 2}})
    return [(folder / "config.json").read_bytes()]


# arrays


def make_shard(folder: Path) -> list[bytes]:
    clips = {c: ("0" * 64, {"embedding": ROWS}) for c in CLIPS}
    shard.write(folder / "k.h5", clips, about={"scope": "clip"}, quarantined={"z": "no moov"})
    return [(folder / "k.h5").read_bytes()]


def read_shard(path: Path) -> None:
    with shard.reading(path) as s:
        assert s.clip_id == list(CLIPS)
        for name in s.names:
            np.testing.assert_array_equal(s.rows(name), np.concatenate([ROWS, ROWS]))


def make_predictions(folder: Path) -> list[bytes]:
    probs = np.full((2, 2), 0.5)
    predictions.write(folder / "p", {"val": Predictions(list(CLIPS), [0, 1], probs, ("a", "b"))})
    return [(folder / "p").read_bytes()]


def make_pseudo_labels(folder: Path) -> list[bytes]:
    labels = {"events": [["bell"], []], "objects": [["car"], ["car"]]}
    classes = {"events": ["bell", "horn"], "objects": ["car"]}
    pseudo_labels.write(folder / "p", CLIPS, [0, 0], labels, classes)
    return [(folder / "p").read_bytes()]


def make_safetensors(folder: Path) -> list[bytes]:
    weights.write(folder / "w.safetensors", {"w": torch.ones(3, 2)}, classes=["bell", "horn"])
    return [(folder / "w.safetensors").read_bytes()]


def make_state_dict(_: Path) -> list[bytes]:
    file = io.BytesIO()
    torch.save({"state_dict": {"w": torch.ones(3, 2)}}, file)
    return [file.getvalue()]


def read_weights(path: Path) -> None:
    assert all(isinstance(v, torch.Tensor) for v in weights.read(path)[0].values())


def read_archive(path: Path) -> None:
    for name, size in archives.members(path, folder="set").items():
        assert path.parent.resolve() in (path.parent / name).resolve().parents
        assert 0 <= size <= 100 * path.stat().st_size


# feature files of others


def make_hdf5(folder: Path) -> list[bytes]:
    made = []
    for layout in ("whole", "framewise", "packed", "table", "free texts"):
        with h5py.File(folder / "made", "w") as f:
            if layout in ("table", "free texts"):
                names = sorted(CLIPS * 3)
                f["clip_id"] = np.array(names, "S") if layout == "table" else names
                f["rows"] = ROWS
            for clip in CLIPS if "rows" not in f else ():
                if layout == "framewise":
                    f.update({f"0/audio/{clip}/{k}": row for k, row in enumerate(ROWS)})
                else:
                    packed = {"compression": "gzip", "fletcher32": True}
                    options = packed if layout == "packed" else {}
                    f.create_dataset(f"0/audio/{clip}", data=ROWS, **options)
        made.append((folder / "made").read_bytes())
    return made


def make_npz(folder: Path) -> list[bytes]:
    np.savez(folder / "one", **dict.fromkeys(CLIPS, ROWS))
    np.savez_compressed(folder / "two", clip_id=sorted(CLIPS * 3), rows=ROWS)
    return [(folder / f"{name}.npz").read_bytes() for name in ("one", "two")]


def make_npy(folder: Path) -> list[bytes]:
    np.save(folder / "a", ROWS)
    (folder / "a.csv").write_text("clip_id\n" + "".join(f"{c}\n" for c in sorted(CLIPS * 3)))
    return [(folder / "a.npy").read_bytes()]


def make_names(folder: Path) -> list[bytes]:
    make_npy(folder)
    return [(folder / "a.csv").read_bytes()]


def make_parquet(folder: Path) -> list[bytes]:
    table = pa.table({"clip_id": sorted(CLIPS * 3), "embedding": ROWS.tolist()})
    pq.write_table(table, folder / "a.parquet")
    return [(folder / "a.parquet").read_bytes()]


def read_apart(path: Path) -> None:
    for _ in feature_process.read(path, CLIPS):
        pass


def read_features(path: Path) -> None:
    for found in feature_files.arrays(path, CLIPS):
        assert found.clip_id in CLIPS
        assert found.frames.dtype.kind in "fiu"
        assert found.frames.nbytes <= 100 * path.stat().st_size


# media


def make_wav(folder: Path) -> list[bytes]:
    soundfile.write(folder / "a.wav", media.SOUND, media.RATE, subtype="PCM_16")
    media.container(folder / "clip.mp4", "libx264", "aac")
    return [(folder / "a.wav").read_bytes()]


def read_wav(path: Path) -> None:
    clip = media.clip_of(path, path.parent / "clip.mp4")
    assert np.abs(clip.waveform).max() <= 1


def make_mp4(folder: Path) -> list[bytes]:
    return [media.container(folder / "a.mp4", "libx264", "aac")]


def make_jpeg(_: Path) -> list[bytes]:
    return [media.jpeg()]


def read_jpeg(path: Path) -> None:
    assert picture(path.read_bytes()).ndim == 3


# a fault that blind damage finds once in 16 million files, and who sees each step sooner


def read_planted(path: Path) -> None:
    content = path.read_bytes()
    for place in range(6):
        if place >= len(content) or content[place] % 16 != 3 + place:
            return
    raise KeyError("planted")


TARGETS = {
    "planted": Target("planted", texts("abcdefgh"), read_planted),
    "data_set": Target(
        "evaluation_setup/fold1_train.csv",
        make_data_set,
        read_data_set,
        named="offender",
        damages=TEXT,
        share=0.05,
    ),
    "media_csv": Target("m.csv", texts(tables.MEDIA), read_media_csv, damages=TEXT),
    "labels_csv": Target("l.csv", texts(tables.LABELS), read_labels_csv, damages=TEXT),
    "truth": Target("t.csv", texts(tables.TRUTH), truth.read, damages=TEXT),
    "predictions_csv": Target(
        "p.csv", texts(tables.BASELINE, tables.COURSE), read_predictions_csv, damages=TEXT
    ),
    "scenes_csv": Target("s.csv", texts(tables.TEST), prediction_tables.read_labels, damages=TEXT),
    "submission": Target("s.csv", texts(SUBMISSION), read_submission, errors=(), damages=TEXT),
    "params": Target(
        "params.yaml",
        texts(tables.PARAMS),
        lambda path: params.load("train.early.fit", root=path.parent),
        errors=(ValueError, KeyError),
        damages=TEXT,
        share=0.3,
    ),
    "disturbances": Target(disturbances.FILE, make_disturbances, read_disturbances, damages=TEXT),
    "metrics_json": Target("m.json", texts(METRICS, CELLS), results.read_json, damages=TEXT),
    "metrics_csv": Target(
        "m.csv", texts("city,items,loss\noslo,3,0.5\n"), read_table, damages=TEXT
    ),
    "config": Target(
        "config.json", make_model, lambda path: models.read(path.parent), damages=TEXT
    ),
    "shard": Target("k.h5", make_shard, read_shard),
    "predictions": Target("p", make_predictions, lambda path: predictions.read(path, "val")),
    "pseudo_labels": Target(
        "p", make_pseudo_labels, lambda path: pseudo_labels.read(path, CLIPS, np.array([1, 1]))
    ),
    "safetensors": Target("w.safetensors", make_safetensors, read_weights),
    "state_dict": Target("w.pth", make_state_dict, read_weights),
    "archive": Target(
        "a.zip",
        lambda _: [zipped([("set/meta.csv", b"a\n"), ("set/audio/a.wav", bytes(range(99)))])],
        read_archive,
    ),
    "features_hdf5": Target("a.h5", make_hdf5, read_features, apart=read_apart),
    "features_npz": Target("a.npz", make_npz, read_features),
    "features_npy": Target("a.npy", make_npy, read_features),
    "features_csv": Target(
        "a.csv",
        make_names,
        lambda path: read_features(path.with_suffix(".npy")),
        named="/a.",  # the csv, or the npy that it does not suit
        damages=TEXT,
    ),
    "features_parquet": Target("a.parquet", make_parquet, read_features, apart=read_apart),
    "wav": Target("a.wav", make_wav, read_wav, errors=DecodeError, share=0.1),
    "mp4": Target("a.mp4", make_mp4, lambda p: media.clip_of(p, p), errors=DecodeError, share=0.05),
    "jpeg": Target("a.jpg", make_jpeg, read_jpeg, errors=DecodeError, named="JPEG"),
}
