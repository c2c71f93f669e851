"""An experiment, from cached arrays to a trained system: what train, study and predict share."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import avsc.heads
from avsc.artifacts import bundles, embeddings, manifest, model_config, models, pseudo_labels
from avsc.artifacts.embeddings import MODALITIES, Embeddings
from avsc.artifacts.predictions import Predictions
from avsc.device import device
from avsc.training import loop
from avsc.training.folds import Fold
from avsc.training.options import Options
from avsc.training.system import System, predict

BUILDING = (  # what heads and torch raise on arguments of any kind
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
SUPERVISION = {"audio": "events", "video": "objects"}
Read = Callable[..., Embeddings]  # (directory, clip ids, name of the array)


@dataclass(frozen=True)
class Split:
    """The rows of some clips, one clip after the other.

    Attributes:
        clip_id: the clips.
        count: rows of each: its seconds, or one.
        x: {modality: (row, ...)}, in training also {events | objects: (row, label)}.
        views: {modality: (row, view, ...)} of training rows that have any.
        targets: scene of each row; empty for the test fold, whose labels nobody here knows.
    """

    clip_id: list[str]
    count: np.ndarray
    x: dict[str, Tensor]
    views: dict[str, Tensor]
    targets: Tensor

    def fold(self, views: Collection[str] = ()) -> Fold:
        """Return the rows, and the views of some modalities, as the training loop takes them."""
        return Fold(self.x, self.targets, {m: self.views[m] for m in views})


@dataclass(frozen=True)
class Data:
    """What an experiment reads.

    Attributes:
        splits: train, val and test.
        scenes: in the order of the targets.
        scope: of a row: segment | clip.
        inputs: {modality: entry of `embed` or `import_features`}.
    """

    splits: dict[str, Split]
    scenes: list[str]
    scope: str
    inputs: dict[str, str]

    @property
    def nbytes(self) -> int:
        """Return the size of all rows in memory."""
        splits = self.splits.values()
        return sum(t.nbytes for s in splits for t in (*s.x.values(), *s.views.values()))


@dataclass(frozen=True)
class Fitted:
    """A trained system, an epoch a row of how it came about, and the config that rebuilds it."""

    system: System
    history: list[dict[str, Any]]
    config: dict[str, Any]


def streams(directory: Path, part: str | None = None) -> dict[str, Path]:
    """Return {modality: folder} of an entry or a bundle, or of a part of a bundle.

    Raises:
        FileNotFoundError: if a folder is missing.
        ValueError: if two entries are of the same modality, or there is no such part.
    """
    folders = list(bundles.inside(directory, part).values())
    found = {embeddings.modality(folder): folder for folder in folders}
    if len(found) < len(folders):
        names = ", ".join(f"{f.name} ({embeddings.modality(f)})" for f in folders)
        raise ValueError(
            f"{directory} holds {names}; expected one entry of audio, one of video, or both"
        )
    return {m: found[m] for m in MODALITIES if m in found}


def directories(block: Mapping[str, Any], *, root: Path = Path("data")) -> dict[str, Path]:
    """Return {modality: folder} of what an experiment reads; raises as `streams`.

    A block with `within` reads its inputs from inside that bundle.
    """
    name = block["inputs"]
    return streams(root / "embeddings" / block.get("within", name), name)


def meant(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return an experiment's block of params.yaml with all defaults and without its inputs.

    Raises:
        TypeError: if `fit` has a key that Options lacks.
    """
    return {k: v for k, v in block.items() if k not in ("inputs", "within", "labels")} | {
        "hparams": avsc.heads.defaults(block["head"]) | block.get("hparams", {}),
        "standardise": block.get("standardise", True),
        "fit": asdict(Options(**block.get("fit", {}))),
        "views": sorted(block.get("views", ())),
    }


def load(
    block: Mapping[str, Any], *, root: Path = Path("data"), read: Read = embeddings.read
) -> Data:
    """Return the arrays that an experiment's block of params.yaml names, each read once.

    Clips without arrays, because they could not be decoded, are left out. The test fold is what has
    arrays and no training label: its own labels are not read.

    Args:
        block: `inputs` and `labels`; `views` and `within`, a bundle that holds them, if there are.
        root: holds embeddings/, manifest/ and the pseudo-labels.
        read: in place of `embeddings.read`.

    Raises:
        KeyError: if an array is missing.
        ValueError: if audio and video disagree on the rows of a clip, or a file is damaged.
    """
    folders = directories(block, root=root)
    labels = manifest.read(root / "manifest/labels_train.csv", manifest.LABELS)
    scenes = sorted({r["scene_label"] for r in labels})
    target = {r["clip_id"]: scenes.index(r["scene_label"]) for r in labels}
    encoded = set.intersection(*(embeddings.clips(d) for d in folders.values()))
    ids = {
        s: [r["clip_id"] for r in labels if r["split"] == s and r["clip_id"] in encoded]
        for s in ("train", "val")
    }
    ids["test"] = sorted(encoded - set(target))
    rows, scope = _aligned(folders, [c for part in ids.values() for c in part], read)
    count = next(iter(rows.values())).count
    splits: dict[str, Split] = {}
    first = stop = 0  # of the split's clips
    for split, clip_id in ids.items():
        first, stop = stop, stop + len(clip_id)
        own = slice(int(count[:first].sum()), int(count[:stop].sum()))
        known = [target[c] for c in clip_id if c in target]
        splits[split] = Split(
            clip_id=clip_id,
            count=count[first:stop],
            x={m: torch.from_numpy(e.rows[own]) for m, e in rows.items()},
            views={},
            targets=torch.tensor(np.repeat(known, count[first:stop]) if known else []).long(),
        )
    splits["train"] = _supervised(splits["train"], block, root)
    splits["train"] = _viewed(splits["train"], block, folders, read)
    return Data(splits, scenes, scope, {m: d.name for m, d in folders.items()})


def _aligned(
    directories: Mapping[str, Path], clip_id: Sequence[str], read: Read
) -> tuple[dict[str, Embeddings], str]:
    """Return the rows of each modality, row for row of the same second or clip."""
    found = {m: read(d, clip_id) for m, d in directories.items()}
    scopes = {e.scope for e in found.values()}
    if len(scopes) > 1:
        found = {m: e.pooled() if e.scope == "segment" else e for m, e in found.items()}
    embeddings.check_rows({directories[m]: e.count for m, e in found.items()}, clip_id)
    return found, "clip" if "clip" in scopes else "segment"


def _supervised(split: Split, block: Mapping[str, Any], root: Path) -> Split:
    """Add events to the sound and objects to the pictures, where the experiment names labels."""
    if block["labels"] == "none":
        return split
    hot = pseudo_labels.read(root / block["labels"], split.clip_id, split.count)
    kinds = [SUPERVISION[m] for m in split.x]
    return replace(split, x=split.x | {k: torch.from_numpy(hot[k]) for k in kinds})


def _viewed(
    split: Split, block: Mapping[str, Any], directories: Mapping[str, Path], read: Read
) -> Split:
    views = {
        m: torch.from_numpy(read(directories[m], split.clip_id, "views").rows)
        for m in block.get("views", ())
    }
    return replace(split, views=views)


def fit(block: Mapping[str, Any], data: Data, *, seed: int) -> Fitted:
    """Build the head of an experiment's block of params.yaml and train it.

    Raises:
        TypeError: if the block has an argument that head or loop does not take.
        ValueError: if the data cannot be trained on.
    """
    made = untrained(block, data, seed=seed)
    history = loop.fit(
        made.system,
        data.splits["train"].fold(block.get("views", ())),
        data.splits["val"].fold(),
        num_classes=len(data.scenes),
        seed=seed,
        options=block.get("fit", {}),
        device=device(),
    )
    return replace(made, history=history)


def untrained(block: Mapping[str, Any], data: Data, *, seed: int) -> Fitted:
    """Build the head of an experiment's block of params.yaml with the weights that a seed draws."""
    train = data.splits["train"]
    config = {
        "head": block["head"],
        "hparams": block.get("hparams", {}),
        "standardise": block.get("standardise", True),
        "inputs": data.inputs,
        "shapes": {m: list(rows.shape[1:]) for m, rows in train.x.items()},
        "scenes": data.scenes,
        "scope": data.scope,
        "dropped": Options(**block.get("fit", {})).drops,
    }
    torch.manual_seed(seed)  # before the head draws its first weights
    return Fitted(build(config), [], config)


def build(config: Mapping[str, Any]) -> System:
    """Return an untrained system, as its config says."""
    shapes = {m: tuple(shape) for m, shape in config["shapes"].items()}
    head = avsc.heads.create(
        config["head"], dims=shapes, num_classes=len(config["scenes"]), **config["hparams"]
    )
    own = {m: shape for m, shape in shapes.items() if m in MODALITIES}
    return System(head, own, standardise=config["standardise"])


def restore(directory: Path) -> Fitted:
    """Return a system that was trained before, without its history.

    Raises:
        FileNotFoundError: if the experiment is not trained.
        ValueError: if its files are damaged, or its config and its weights are of two models.
    """
    state, config = models.read(directory)
    path = directory / "config.json"
    model_config.check(path, config, {k: tuple(v.shape) for k, v in state.items()})
    try:
        with torch.device("meta"):  # takes no memory, whatever the config says
            build(config).load_state_dict({k: v.to("meta") for k, v in state.items()})
    except BUILDING as error:
        cause = " ".join(str(error).split())[:300]
        raise ValueError(
            f"{path} and its weights give no model ({cause}), expected both of one model; run "
            "`dvc repro`"
        ) from error
    system = build(config)
    system.load_state_dict(state)
    return Fitted(system.eval(), [], config)


def predictions(fitted: Fitted, data: Data, split: str) -> Predictions:
    """Return the scene probabilities of every row of a split."""
    rows = data.splits[split]
    return Predictions(
        clip_id=list(np.repeat(rows.clip_id, rows.count)),
        segment=None if data.scope == "clip" else [k for n in rows.count for k in range(n)],
        probs=predict(fitted.system, {m: rows.x[m] for m in fitted.config["inputs"]}),
        scenes=tuple(data.scenes),
    )
