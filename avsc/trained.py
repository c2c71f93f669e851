"""Trained experiments with their encoders: which there are, which is best, and how to get one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avsc import embedding, experiment, params, spelling
from avsc.artifacts import manifest, predictions, shard
from avsc.experiment import Fitted
from avsc.scoring import metrics


@dataclass(frozen=True)
class Predictor:
    """A trained experiment with its encoders.

    Attributes:
        experiment: its name.
        data: the name of the data set that it learned from.
        fitted: the trained system.
        encoders: {modality: encoder}.
        decode: what `media.decode` takes, apart from the length.
        window_s: length of the clips that it learned from, None where they have no common one;
            used where it classifies whole clips.
    """

    experiment: str
    data: str
    fitted: Fitted
    encoders: Mapping[str, Any]
    decode: Mapping[str, Any]
    window_s: int | None

    @property
    def scenes(self) -> tuple[str, ...]:
        """Return the scenes, in the order of the probabilities."""
        return tuple(self.fitted.config["scenes"])

    @property
    def sees_clips(self) -> bool:
        """Return whether it classifies whole clips, where others classify every second."""
        return self.fitted.config["scope"] == "clip"


def names(root: str | Path = Path()) -> list[str]:
    """Return the experiments of params.yaml that have been trained."""
    root = Path(root)
    named = params.names("train", root=root)
    return [n for n in named if (root / "data/models" / n / "config.json").is_file()]


def ranked_on_validation(root: str | Path = Path()) -> list[str]:
    """Return the trained experiments, the lowest macro log-loss on the validation fold first.

    Experiments that classify seconds come before those that classify whole clips, for the losses
    of the two cannot be compared. No label of the test fold is read.

    Raises:
        FileNotFoundError: if nothing is trained.
        ValueError: if a file is damaged.
    """
    root = Path(root)
    losses = {name: _validation_loss(root, name) for name in names(root)}
    if not losses:
        raise FileNotFoundError(
            f"{root / 'data/models'} holds no trained experiment of params.yaml; run `dvc repro`"
        )
    return sorted(losses, key=lambda name: losses[name])


def answers_without(name: str, modality: str, root: str | Path = Path()) -> bool:
    """Return whether an experiment does not use a modality, or was also trained without it."""
    config = experiment.restore(Path(root) / "data/models" / name).config
    return modality not in config["inputs"] or modality in config["dropped"]


def _validation_loss(root: Path, name: str) -> tuple[bool, float]:
    labels = manifest.read(root / "data/manifest/labels_train.csv", manifest.LABELS)
    scene = {r["clip_id"]: r["scene_label"] for r in labels if r["split"] == "val"}
    path = root / f"data/predictions/{name}.parquet"
    p = predictions.read(path, "val")
    if odd := [c for c in p.clip_id if scene.get(c) not in p.scenes]:
        raise ValueError(
            f"{path} predicts {odd[0]!r}, which labels_train.csv does not have in the validation "
            "fold with a scene of these predictions: they are of another split; run `dvc repro`"
        )
    targets = np.array([p.scenes.index(scene[c]) for c in p.clip_id])
    losses = metrics.log_losses(targets, p.probs)
    return p.segment is None, metrics.macro(targets, losses)


def load(name: str, root: str | Path = Path()) -> Predictor:
    """Return a trained experiment with its encoders.

    Args:
        name: an entry of `train` in params.yaml.
        root: of the project.

    Raises:
        FileNotFoundError: if it is not trained, or weights are not there.
        KeyError: if params.yaml has no longer an encoder of it.
        ValueError: if it is unknown, if its files are damaged, or if params.yaml has changed since.
    """
    root = Path(root)
    directory = root / "data/models" / name
    if not (directory / "config.json").is_file():
        there = ", ".join(names(root)) or "none; run `dvc repro`"
        near = spelling.nearest(name, names(root))
        raise ValueError(
            f"no trained experiment {name!r} (ensembles are none); there are: {there}"
            + (near and f"; {near}")
        )
    fitted = experiment.restore(directory)
    blocks = {m: params.load(f"embed.{e}", root=root) for m, e in fitted.config["inputs"].items()}
    for m, block in blocks.items():
        _check_unchanged(root / "data/embeddings" / fitted.config["inputs"][m], block, "views")
    decode = params.load("decode", root=root)
    _check_unchanged(root / "data/media", decode, "on_error", "seconds")
    return Predictor(
        experiment=name,
        data=str(params.load("data", root=root)),
        fitted=fitted,
        encoders={
            m: embedding.create(b, root=root / "data", decoded_hz=decode["sample_rate"])
            for m, b in blocks.items()
        },
        decode={k: v for k, v in decode.items() if k not in ("on_error", "seconds")},
        window_s=decode["seconds"],
    )


def _check_unchanged(directory: Path, block: Mapping[str, Any], *apart: str) -> None:
    """Refuse parameters that are not those by which `directory` was made, if it is there."""
    for path in shard.paths(directory)[:1] if directory.is_dir() else []:
        with shard.reading(path) as s:
            made = json.loads(s.about["params"])
        found, expected = (
            {k: v for k, v in p.items() if k not in apart}
            for p in (json.loads(json.dumps(block)), made)
        )
        if found != expected:
            raise ValueError(
                f"{directory} was made with {expected}, but params.yaml now says {found}; "
                "run `dvc repro`, or bring back the parameters (`avsc params use`)"
            )
