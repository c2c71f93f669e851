"""train <experiment>: data/embeddings, training labels -> data/models, data/predictions."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import avsc.heads
from avsc import params
from avsc.artifacts import embeddings, manifest, metrics, models, predictions
from avsc.training import loop, system

MODALITIES = ("audio", "video")


def main(name: str) -> None:
    p = params.load(f"train.{name}")
    seed = p.get("seed", params.load("seed"))
    inputs = {m: p[m] for m in MODALITIES if p[m] != "none"}
    labels = manifest.read(Path("data/manifest/labels_train.csv"), manifest.LABELS)
    encoded = set.intersection(*(embeddings.clips(directory(e)) for e in inputs.values()))
    scenes = sorted({r["scene_label"] for r in labels})
    target = {r["clip_id"]: scenes.index(r["scene_label"]) for r in labels}
    ids = {
        s: [r["clip_id"] for r in labels if r["split"] == s and r["clip_id"] in encoded]
        for s in ("train", "val")
    }
    ids["test"] = sorted(encoded - set(target))
    x, count, scope = load(inputs, ids)

    torch.manual_seed(seed)  # before the head draws its first weights
    shapes = {m: tuple(rows.shape[1:]) for m, rows in x["train"].items()}
    head = avsc.heads.create(
        p["head"], dims=shapes, num_classes=len(scenes), **p.get("hparams", {})
    )
    trained = system.System(head, shapes, standardise=p.get("standardise", True))
    folds = {
        s: loop.Fold(x[s], torch.tensor(np.repeat([target[c] for c in ids[s]], count[s])))
        for s in ("train", "val")
    }
    device = os.environ.get("AVSC_DEVICE", "cuda" if torch.cuda.is_available() else "cpu")
    history = loop.fit(
        trained,
        folds["train"],
        folds["val"],
        num_classes=len(scenes),
        seed=seed,
        options=p.get("fit", {}),
        device=device,
    )

    config = {
        "experiment": name,
        "head": p["head"],
        "hparams": p.get("hparams", {}),
        "standardise": trained.standardise,
        "inputs": inputs,
        "shapes": shapes,
        "scenes": scenes,
        "scope": scope,
    }
    models.write(Path("data/models") / name, trained.state_dict(), config)
    predictions.write(
        Path(f"data/predictions/{name}.parquet"),
        {
            s: predictions.Predictions(
                clip_id=list(np.repeat(ids[s], count[s])),
                segment=None if scope == "clip" else [k for n in count[s] for k in range(n)],
                probs=system.predict(trained, x[s]),
                scenes=tuple(scenes),
            )
            for s in ("val", "test")
        },
    )
    metrics.write_table(Path(f"metrics/{name}/history.csv"), history)


def directory(encoder: str) -> Path:
    return Path("data/embeddings") / encoder


def load(
    inputs: dict[str, str], ids: dict[str, list[str]]
) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, np.ndarray], str]:
    """Return the rows of each split and modality, rows a clip of each split, and the scope.

    Where one modality was encoded by the second and the other by the clip, seconds are averaged.
    """
    everything = [clip_id for split in ids.values() for clip_id in split]
    read = {m: embeddings.read(directory(e), everything) for m, e in inputs.items()}
    scopes = {e.scope for e in read.values()}
    rows = {
        m: pooled(e) if len(scopes) > 1 and e.scope == "segment" else e for m, e in read.items()
    }
    first, *others = rows.values()
    for other in others:
        if differ := np.flatnonzero(first.count != other.count).tolist():
            raise SystemExit(
                f"{list(inputs.values())} disagree on the rows of {len(differ)} clips, the first "
                f"{everything[differ[0]]!r}; run `dvc repro -f` on their embed stages"
            )
    clip_cuts = np.cumsum([len(split) for split in ids.values()])[:-1]
    count = dict(zip(ids, np.split(first.count, clip_cuts), strict=True))
    row_cuts = np.cumsum([c.sum() for c in count.values()])[:-1]
    parts = {m: dict(zip(ids, np.split(e.rows, row_cuts), strict=True)) for m, e in rows.items()}
    x = {s: {m: torch.from_numpy(parts[m][s]) for m in inputs} for s in ids}
    return x, count, "clip" if "clip" in scopes else "segment"


def pooled(e: embeddings.Embeddings) -> embeddings.Embeddings:
    """Return the mean over the seconds of each clip."""
    parts: Sequence[Any] = np.split(e.rows, np.cumsum(e.count)[:-1])
    rows = np.stack([part.mean(axis=0) for part in parts])
    return embeddings.Embeddings(rows, np.ones(len(rows), dtype=np.int64), "clip", e.classes)


if __name__ == "__main__":
    main(sys.argv[1])
