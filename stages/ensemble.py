"""ensemble <name>: predictions of other experiments, training labels -> data/predictions."""

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import softmax

import avsc.heads
from avsc import params
from avsc.artifacts import manifest, predictions
from avsc.artifacts.predictions import Predictions
from avsc.params.experiments import Ensemble
from avsc.training import loop
from avsc.training.folds import Fold
from avsc.training.strategies.calibration import fit_temperature
from avsc.training.system import System, predict

FLOOR = 1e-15
FOLDS = 5


def main(name: str) -> None:
    p, seed = params.load(f"ensemble.{name}", Ensemble), params.load("seed")
    options: dict[str, Any] = {**p.get("fit", {})}
    scaled = options.pop("temperature", False)
    members = [m for m in p["members"] if m != "none"]
    if not members:
        raise ValueError(f"ensemble.{name} has no members; name experiments that predict")
    val, test = (read(members, split) for split in ("val", "test"))
    labels = manifest.read(Path("data/manifest/labels_train.csv"), manifest.LABELS)
    label = {r["clip_id"]: r for r in labels}
    scene = {c: r["scene_label"] for c, r in label.items()}
    first = next(iter(val.values()))
    if odd := [c for c in first.clip_id if scene.get(c) not in first.scenes]:
        raise ValueError(
            f"{members[0]} predicts {odd[0]!r}, of which labels_train.csv says "
            f"{scene.get(odd[0])!r}, expected one of {', '.join(first.scenes)}; run `dvc repro`"
        )
    targets = torch.tensor([first.scenes.index(scene[c]) for c in first.clip_id])
    x = {m: log_probs(v) for m, v in val.items()}

    def fitted(rows: np.ndarray) -> System:
        torch.manual_seed(seed)
        shapes = {m: tuple(r.shape[1:]) for m, r in x.items()}
        head = avsc.heads.create(
            p["head"], dims=shapes, num_classes=len(first.scenes), **p.get("hparams", {})
        )
        system = System(head, shapes, standardise=False)
        fold = Fold({m: r[rows] for m, r in x.items()}, targets[rows])
        loop.fit(system, fold, fold, num_classes=len(first.scenes), seed=seed, options=options)
        return system

    # Validation rows are what the ensemble is fitted on: each is predicted by a fit without its
    # location, so that its validation loss can be compared with its members', and so that the
    # temperature is that of rows which the fit has not seen.
    turn = turns([label[c] for c in first.clip_id])
    probs = np.empty_like(first.probs)
    for k in np.unique(turn):
        held_out = turn == k
        probs[held_out] = predict(fitted(~held_out), {m: r[held_out] for m, r in x.items()})
    system = fitted(np.ones(len(turn), dtype=bool))
    if scaled:
        logits = np.log(probs.clip(FLOOR))
        temperature = fit_temperature(logits, targets.numpy())
        system.temperature.fill_(temperature)
        probs = softmax(logits / temperature, axis=1)
    other = next(iter(test.values()))
    predictions.write(
        Path(f"data/predictions/{name}.parquet"),
        {
            "val": Predictions(first.clip_id, first.segment, probs, first.scenes),
            "test": Predictions(
                other.clip_id,
                other.segment,
                predict(system, {m: log_probs(t) for m, t in test.items()}),
                other.scenes,
            ),
        },
    )


def turns(rows: Sequence[Mapping[str, str]]) -> np.ndarray:
    """Return which of FOLDS parts holds each row out; the other parts hold all scenes.

    A location stays together, or, where it is its scene's only one, each of its clips.

    Raises:
        ValueError: if a scene has a single clip, without which no part would hold it.
    """
    places: dict[str, set[str]] = defaultdict(set)
    for r in rows:
        places[r["scene_label"]].add(r["location"])

    def group(r: Mapping[str, str]) -> str:
        return r["location"] if len(places[r["scene_label"]]) > 1 else r["clip_id"]

    groups = {s: sorted({group(r) for r in rows if r["scene_label"] == s}) for s in places}
    if alone := [scene for scene, members in groups.items() if len(members) < 2]:
        raise ValueError(
            f"the validation fold has one clip of {', '.join(alone)}; an ensemble is fitted "
            "without each of its clips once, and needs two of every scene: raise index.val_fraction"
        )
    return np.array([groups[r["scene_label"]].index(group(r)) % FOLDS for r in rows])


def read(members: list[str], split: str) -> dict[str, Predictions]:
    """Return the predictions of each member, all over the same rows."""
    found = {m: predictions.read(Path(f"data/predictions/{m}.parquet"), split) for m in members}
    first = found[members[0]]
    for member, p in found.items():
        if (p.clip_id, p.segment, p.scenes) != (first.clip_id, first.segment, first.scenes):
            raise ValueError(
                f"{member} and {members[0]} do not predict the same rows of {split}; members of an "
                "ensemble must all predict seconds, or all clips, of the same data set"
            )
    return found


def log_probs(p: Predictions) -> torch.Tensor:
    return torch.from_numpy(np.log(p.probs.clip(FLOOR))).float()


if __name__ == "__main__":
    main(sys.argv[1])
