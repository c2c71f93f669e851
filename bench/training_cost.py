"""Training cost: what training the experiments and studies of a profile on TAU takes one core.

Each head is built as wide as the encoders of full size make it, and trained on drawn rows by one
thread for two epochs of a few batches, of which the second is timed. A study trains a system for
each cell and seed, as many at once as there are cores. Epochs are those of the blocks, which
patience may end sooner. Reading arrays is left out, and so are heads that are solved rather than
trained (`logistic`, `lightgbm`).
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import avsc.heads
from avsc import embedding
from avsc.artifacts import media
from avsc.device import device
from avsc.experiment import SUPERVISION
from avsc.params.fields import Parser
from avsc.params.inputs import streams_of
from avsc.params.study import Study, cells
from avsc.training.folds import Fold
from avsc.training.loop import Run
from avsc.training.options import Options
from bench._features import SEGMENTS, TAU_TRAINING_CLIPS
from bench._table import machine, markdown
from bench._turns import Row, seconds_of, threads
from bench.profile_cost import SIZE, decoded, offline, profile

BATCHES, VIEWS, SCENES = 3, 2, 10
Shapes = dict[str, tuple[int, ...]]
Block = Mapping[str, Any]


def results(*, quick: bool = False) -> list[Row]:
    """Return the rows of the profiles that are made for TAU."""
    if quick:  # whose labels are of classes that lie in the weights of its taggers
        tree = profile("demo")
        train = {n: b for n, b in tree["train"].items() if b["labels"] == "none"}
        return rows("demo", tree | {"train": train, "study": {}}, size=(160, 96))
    return [row for name in ("tau2021", "modern") for row in rows(name, profile(name))]


def rows(name: str, tree: Block, *, size: tuple[int, int] = SIZE) -> list[Row]:
    """Return a row for each experiment and each study of a profile, and the sum.

    Args:
        name: of the profile, to stand in front.
        tree: the profile.
        size: width and height of the pictures that its encoders are tried on, in pixels.
    """
    segments = TAU_TRAINING_CLIPS * SEGMENTS * (1 - tree["index"]["val_fraction"])
    with threads(1):
        shapes, timed = shapes_of(tree, size), Timed()
        work = {f"{name}: {what}": blocks for what, blocks in systems(tree)}
        cost = {w: [timed(b, shapes) * segments for b in blocks] for w, blocks in work.items()}
    table = [_row(what, work[what], each_s) for what, each_s in cost.items()]
    every = [block for blocks in work.values() for block in blocks]
    return [*table, _row(f"{name}: all", every, [s for each_s in cost.values() for s in each_s])]


def _row(what: str, blocks: Sequence[Block], epoch_s: Sequence[float]) -> Row:
    epochs = [Options(**block.get("fit", {})).epochs for block in blocks]
    whole_s = [n * s for n, s in zip(epochs, epoch_s, strict=True)]
    return {
        "what": what,
        "systems": float(len(blocks)),
        "epochs": float(sum(n for n, s in zip(epochs, epoch_s, strict=True) if s)),
        "longest epoch_s": max(epoch_s),
        "core hours": sum(whole_s) / 3600,
    }


def systems(tree: Block) -> Iterator[tuple[str, list[Block]]]:
    """Yield the name of each experiment and study, and the block of every system it trains.

    The `inputs` of a block are {modality: entry}.
    """
    for name, block in tree["train"].items():
        yield f"train {name}", [_resolved(block, tree)]
    for name, block in tree["study"].items():
        study: Study = Parser(tree).parse(Study, block, ("study", name))
        blocks = cells(study, tree["train"][study.base]).values()
        yield f"study {name}", [_resolved(cell, tree) for cell in blocks for _ in study.seeds]


def _resolved(block: Block, tree: Block) -> Block:
    streams = streams_of(block["inputs"], tree) or {}
    return {**block, "inputs": {modality: entry for entry, modality in streams.items()}}


def shapes_of(tree: Block, size: tuple[int, int] = SIZE) -> Shapes:
    """Return the shape of a row of each encoder, and of the events and objects of its taggers."""
    with tempfile.TemporaryDirectory() as folder:
        _, clip = decoded(Path(folder), tree["decode"], size=size)
    arrays, shapes = media.arrays(clip.waveform, clip.pictures), {}
    for name, block in tree["embed"].items():
        encoder = offline(block, decoded_hz=tree["decode"]["sample_rate"])
        made = encoder(embedding.rows(encoder, arrays)[:1])
        shapes[name] = made["embedding"].shape[1:]
        for kind in SUPERVISION.values():
            if tree["pseudo_label"][kind]["tagger"] == name:
                shapes[kind] = made["logits"].shape[1:]
    return shapes


class Timed:
    """What a row costs an epoch; systems that cost the same are timed once."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}

    def __call__(self, block: Block, shapes: Shapes) -> float:
        """Return the seconds of all phases of a head; 0 where it is solved."""
        inputs = block["inputs"]
        own: Shapes = {m: shapes[encoder] for m, encoder in inputs.items()}
        if block["labels"] != "none":
            own |= {SUPERVISION[m]: shapes[SUPERVISION[m]] for m in inputs}
        fit = {k: v for k, v in block.get("fit", {}).items() if k not in ("epochs", "patience")}
        key = json.dumps([own, block["head"], block.get("hparams"), fit, block.get("views")])
        if key not in self._known:
            self._known[key] = row_s(block, own, Options(**fit | {"epochs": 2}))
        return self._known[key]


def row_s(block: Block, shapes: Shapes, o: Options) -> float:
    """Return the seconds that an epoch takes for each row."""
    hparams = block.get("hparams", {})
    head = avsc.heads.create(block["head"], dims=shapes, num_classes=SCENES, **hparams)
    if hasattr(head, "solve"):
        return 0.0
    count, took = BATCHES * o.batch_size, 0.0
    train = _fold(count, shapes, block.get("views", ()))
    run = Run(head.to(device()), o, SCENES, torch.Generator().manual_seed(0))
    for phase in run.phases():
        epochs = run.fit_phase(*phase, train, _fold(max(2, count // 10), shapes, ()))
        next(epochs)
        took += seconds_of(lambda epochs=epochs: next(epochs))
    return took / count


def _fold(count: int, shapes: Shapes, varied: Sequence[str]) -> Fold:
    x = {m: torch.rand(count, *shape) for m, shape in shapes.items()}
    views = {m: torch.stack([x[m]] * VIEWS, dim=1) for m in varied}
    return Fold(x, torch.arange(count) % SCENES, views).to(device())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile", help="a folder of params/")
    asked = parser.parse_args()
    facts = ", ".join(f"{k} {v}" for k, v in machine().items())
    print(facts, markdown(rows(asked.profile, profile(asked.profile))), sep="\n\n")  # noqa: T201
