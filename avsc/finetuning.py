"""Encoders of params.yaml trained end to end with a head, on the clips of the training fold."""

import hashlib
import json
import logging
import sys
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import avsc.heads
from avsc import embedding
from avsc.artifacts import checkpoints, manifest, media, pseudo_labels, shard
from avsc.artifacts.weights import state_digest
from avsc.device import device
from avsc.precision import How, hindrance
from avsc.threads import cores, in_threads
from avsc.training import shared_loop
from avsc.training.end_to_end import CLIPS_TOGETHER, EndToEnd, Rows, below
from avsc.training.tuning import Tuning

SECOND = " second "  # between a clip and its second, in the name of a row
SPLITS = ("train", "val")
SUPERVISION = {"audio": "events", "video": "objects"}
CLIPS_KEPT = 2 * CLIPS_TOGETHER  # in memory: those whose rows are mixed, and the next

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tuned:
    """What came of it.

    Attributes:
        weights: {modality: state dict} of each encoder, of the best epoch.
        classes: {modality: names of the classes} that each encoder came with.
        history: a row an epoch.
    """

    weights: dict[str, dict[str, Tensor]]
    classes: dict[str, list[str]]
    history: list[dict[str, Any]]


class Clips:
    """The decoded clips of the training and validation fold, as encoders take them.

    Attributes:
        scenes: all scenes, in the order of their numbers.
        key: {clip_id: key} of the clips' arrays.
    """

    def __init__(self, encoders: Mapping[str, Any], *, root: Path, threads: int) -> None:
        if len(scopes := {e.scope for e in encoders.values()}) > 1:
            raise ValueError(
                f"the encoders have scopes {' and '.join(sorted(scopes))}, so their rows are no "
                "pairs; give both the same scope"
            )
        self.encoders, self.root, self.threads = encoders, root, threads
        self.whole = scopes == {"clip"}
        self.labels = manifest.read(root / "manifest/labels_train.csv", manifest.LABELS)
        self.scenes = sorted({r["scene_label"] for r in self.labels})
        self.library = media.Library(root / "media")
        ids = {r["clip_id"] for r in self.labels}
        self.key = {c: key for c, key in self.library.key.items() if c in ids}
        self.seconds = _seconds(root / "media")
        self.clip = lru_cache(CLIPS_KEPT)(partial(self.library.read, names=()))

    def rows(self, split: str, *, labels: str) -> Rows:
        """Return the rows of a fold, with pseudo-labels of the encoders' modalities.

        Raises:
            ValueError: if there are none.
        """
        scene = {
            r["clip_id"]: self.scenes.index(r["scene_label"])
            for r in self.labels
            if r["split"] == split and r["clip_id"] in self.key
        }
        if not scene:
            raise ValueError(
                f"no clip of the {split} fold is decoded; has the data set locations enough?"
            )
        count = np.array([1 if self.whole else self.seconds[c] for c in scene])
        names = [f"{c}{SECOND}{k}" for c, n in zip(scene, count, strict=True) for k in range(n)]
        hot = {}
        if labels != "none":
            found = pseudo_labels.read(self.root / labels, list(scene), count)
            hot = {k: torch.from_numpy(found[k]) for k in map(SUPERVISION.get, self.encoders) if k}
        return Rows(
            clip=np.repeat(np.arange(len(scene)), count),
            targets=torch.tensor(np.repeat(list(scene.values()), count)),
            labels=hot,
            read=lambda rows: self._read(names[i] for i in rows),
        )

    def _read(self, names: Iterator[str]) -> Generator[dict[str, Tensor]]:
        return in_threads(self._prepared, threads=self.threads)(names)

    def _prepared(self, name: str) -> dict[str, Tensor]:
        clip_id, _, second = name.rpartition(SECOND)
        clip = self.clip(clip_id)
        if not self.whole:
            k = int(second)
            clip = media.arrays(clip["waveform"][k : k + 1], [media.pictures(clip)[k]])
        return {m: e.prepare(embedding.rows(e, clip))[0] for m, e in self.encoders.items()}


def tune(
    block: Mapping[str, Any], *, seed: int, checkpoint: Path, root: Path = Path("data")
) -> Tuned | None:
    """Train encoders and head as an entry of `finetune` says, from the checkpoint if there is one.

    Everything of the head is trained at once, whatever phases it has. Embeddings are not
    standardised, for they move. The labels of the test fold are not read.

    Args:
        block: the entry; `audio` and `video` are blocks as in `embed`, or have `encoder: none`.
        seed: of the head's first weights, the order of the rows, and dropout.
        checkpoint: the file that holds the last epoch of a run that was killed.
        root: holds manifest/, media/, weights/ and the pseudo-labels.

    Returns:
        None in all processes but one, where several train together.

    Raises:
        FileNotFoundError: if weights, labels or media are not there.
        TypeError: if the block has an argument that encoder, head or loop does not take.
        ValueError: if an encoder or the head cannot be trained like that, or the data do not do.
    """
    o = Tuning(**block.get("fit", {}))
    blocks = {m: block[m] for m in SUPERVISION if block[m]["encoder"] != "none"}
    if not blocks:
        raise ValueError("audio and video both have encoder: none; name the one to be trained")
    o.check(list(blocks))
    where = device()
    if why := hindrance(How(precision=o.precision), where.partition(":")[0]):
        log.warning("fine-tuning runs in float32: %s", why)
        o = replace(o, precision="float32")
    if where not in ("cpu", "cuda"):
        torch.cuda.set_device(where)  # of several GPUs, Accelerate takes the current one
    here = shared_loop.accelerator(cpu=where == "cpu", precision=o.precision)
    decoded_hz = media.Library(root / "media").sample_rate
    encoders = {m: _encoder(m, b, root=root, decoded_hz=decoded_hz) for m, b in blocks.items()}
    clips = Clips(encoders, root=root, threads=max(1, cores() // here.num_processes))
    train, val = (clips.rows(s, labels=block["labels"] if s == "train" else "none") for s in SPLITS)
    torch.manual_seed(seed)  # before the head draws its first weights
    head = _head(block, encoders, train, num_classes=len(clips.scenes))
    net = EndToEnd({m: e.model for m, e in encoders.items()}, head)
    run = shared_loop.Run(here, net, o, seed, train, val)
    made_of = _made_of(block, encoders, clips, train.labels, seed=seed)
    best, history = shared_loop.fit(
        run,
        saved=checkpoints.read(checkpoint, made_of=made_of),
        save=lambda state, history: checkpoints.write(checkpoint, state, history, made_of=made_of),
    )
    if not here.is_main_process:
        return None
    return Tuned(
        {m: below(f"{m}/", best) for m in encoders},
        {m: getattr(e, "classes", []) for m, e in encoders.items()},
        history,
    )


def _encoder(modality: str, block: Mapping[str, Any], *, root: Path, decoded_hz: int | None) -> Any:
    made = embedding.create(block, root=root, decoded_hz=decoded_hz)
    if made.modality != modality:
        raise ValueError(f"{modality} has encoder: {block['encoder']}, which is of {made.modality}")
    if not hasattr(made, "model"):
        raise ValueError(
            f"{modality} has encoder: {block['encoder']}, which has no weights that could be "
            "trained; take a network, such as ast or timm_image"
        )
    return made


def _head(
    block: Mapping[str, Any], encoders: Mapping[str, Any], train: Rows, *, num_classes: int
) -> torch.nn.Module:
    if lacking := sorted(set(range(num_classes)) - set(train.targets.tolist())):
        raise ValueError(f"the training fold has no row of classes {lacking} of {num_classes}")
    row = next(train.read(iter([0])))
    with torch.inference_mode():
        dims = {
            m: tuple(e.model(row[m][None].to(device()))[0].shape[1:]) for m, e in encoders.items()
        }
    dims |= {kind: tuple(hot.shape[1:]) for kind, hot in train.labels.items()}
    hparams = block.get("hparams", {})
    head = avsc.heads.create(block["head"], dims=dims, num_classes=num_classes, **hparams)
    if hasattr(head, "solve"):
        raise ValueError(
            f"head {block['head']} is solved without gradients, so nothing would reach the "
            "encoders; take another, such as early"
        )
    return head


def _seconds(directory: Path) -> dict[str, int]:
    """Return {clip_id: its seconds}."""
    found: dict[str, int] = {}
    for path in shard.paths(directory):
        with shard.reading(path) as s:
            found.update(zip(s.clip_id, s.count("waveform").tolist(), strict=True))
    return found


def _made_of(
    block: Mapping[str, Any],
    encoders: Mapping[str, Any],
    clips: Clips,
    labels: Mapping[str, Tensor],
    *,
    seed: int,
) -> str:
    """Return the sha256 of all that decides a run, our code among it."""
    ours = {m.__file__ for n, m in sys.modules.items() if n.startswith("avsc.") and m.__file__}
    parts = [
        {**block, "seed": seed},
        {m: embedding.identity(e, block[m], root=clips.root) for m, e in encoders.items()},
        clips.key,
        clips.labels,
        state_digest(labels),
        [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in sorted(ours)],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
