"""Head training: an epoch of early fusion on 86 460 segments, beside the official baseline's loop.

Two times 512 numbers a segment. Theirs is written here in the baseline's style: a DataLoader over
HDF5 files that hold a data set for each segment and are opened for every sample, standardised one
by one, batches of 64, Adam; with no workers, and with one for each core. Ours holds its rows in
memory; its time includes a pass over 1000 segments of validation. `difference` is that of the mean
loss of an epoch of 640 segments in one order, from the same weights, without dropout. The floor is
what the matrix products of training would take alone.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from avsc.device import device
from avsc.heads.early import Head
from avsc.threads import cores
from avsc.training.folds import Fold
from avsc.training.loop import Run
from avsc.training.options import Options
from bench._features import SEGMENTS, TAU_TRAINING_CLIPS, Segments, ids, write_segments
from bench._floor import flop, flop_per_s
from bench._table import main
from bench._turns import Row, compared, in_turns, threads

DIM, SCENES = 512, 10
REACH = {64: 15.0, 512: 30.0}  # by batch
BATCH, LR, WEIGHT_DECAY = 64, 1e-4, 1e-4  # the baseline's


def results(*, quick: bool = False) -> list[Row]:
    """Return a row for each batch size of ours and number of the loader's workers."""
    clips, sample, repeats = (60, 12, 1) if quick else (TAU_TRAINING_CLIPS, 384, 3)
    count, workers = clips * SEGMENTS, [0] if quick else [0, cores()]
    with tempfile.TemporaryDirectory() as folder, threads(cores()):
        theirs = Theirs.written(Path(folder), clips=sample * 3, sample=sample)
        sides = {f"ours {batch}": ours(count, batch) for batch in REACH}
        sides |= {f"theirs {w}": lambda w=w: theirs.epoch(workers=w) for w in workers}
        _, took = in_turns(sides, repeats=repeats)
        off = disagreement(theirs)
        floor_s = count * flop_a_segment() / flop_per_s()
    return [
        compared(
            f"{count} segments at batch {batch}",
            f"DataLoader at batch {BATCH}, {w} workers",
            took[f"ours {batch}"],
            took[f"theirs {w}"] * clips / sample,
            reach=REACH[batch] if w == 0 else None,
            difference=off,
            floor_s=floor_s,
            remark=f"theirs extrapolated from {sample * SEGMENTS} segments",
        )
        for w in workers
        for batch in REACH
    ]


def ours(count: int, batch: int) -> Callable[[], float]:
    """Return what trains one more epoch at each call."""
    folds = [_fold(n, seed) for seed, n in enumerate((count, min(count, 1000)))]
    head = Head({"audio": (DIM,), "video": (DIM,)}, SCENES).to(device())
    epochs = training(head, folds[0], folds[1], batch=batch)
    return lambda: next(epochs)


def flop_a_segment() -> float:
    """Return the arithmetic of a training step, for each of its segments."""
    fold = _fold(BATCH, 0)
    head = Head(dict.fromkeys(fold.x, (DIM,)), SCENES).to(device())
    return flop(lambda: nn.functional.cross_entropy(head(fold.x), fold.targets).backward()) / BATCH


def training(head: Head, train: Fold, val: Fold, *, batch: int) -> Iterator[float]:
    """Yield the training loss of epoch after epoch, of the loop that `train` uses."""
    options = Options(epochs=100, batch_size=batch, lr=LR, weight_decay=WEIGHT_DECAY)
    run = Run(head, options, SCENES, torch.Generator().manual_seed(0))
    for row in run.fit_phase(*run.phases()[0], train, val):
        yield row["train_loss"]


def _fold(count: int, seed: int) -> Fold:
    generator = torch.Generator().manual_seed(seed)
    x = {m: torch.randn(count, DIM, generator=generator) for m in ("audio", "video")}
    return Fold(x, torch.arange(count) % SCENES).to(device())


class Theirs:
    """Training as the official baseline does it.

    References:
        github.com/shanwangshan/TAU-urban-audio-visual-scenes, train/.
    """

    def __init__(self, data: Segments) -> None:
        self.data = Labelled(data)
        self.net = nn.Sequential(*_dense(2 * DIM, 512), *_dense(512, 128), *_dense(128, 64))
        self.net.append(nn.Linear(64, SCENES))
        self.net.to(device())

    @classmethod
    def written(cls, folder: Path, *, clips: int, sample: int) -> "Theirs":
        """Write `clips` clips of each modality, of which an epoch takes `sample`."""
        paths = [folder / f"{m}.hdf5" for m in ("audio", "video")]
        for path in paths:
            names = write_segments(path, ids(clips), DIM)
        return cls(Segments(paths, names[: sample * SEGMENTS]))

    def epoch(self, *, workers: int = 0, order: list[int] | None = None) -> float:
        """Return the mean loss of an epoch."""
        loader: DataLoader = DataLoader(
            self.data, BATCH, shuffle=order is None, sampler=order, num_workers=workers
        )
        adam = torch.optim.Adam(self.net.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
        self.net.train()
        losses = []
        for rows, targets in loader:
            adam.zero_grad()
            rows, targets = rows.to(device()), targets.to(device())
            loss = nn.functional.cross_entropy(self.net(rows), targets)
            loss.backward()
            adam.step()
            losses.append(loss.item())
        return sum(losses) / len(losses)


class Labelled(torch.utils.data.Dataset):
    """Standardised segments and their scenes."""

    def __init__(self, data: Segments) -> None:
        self.data, self.mean, self.std = data, torch.zeros(2 * DIM), torch.ones(2 * DIM)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        """Return a row and its scene."""
        return (self.data[i] - self.mean) / self.std, i % SCENES


def _dense(wide: int, narrow: int) -> list[nn.Module]:
    return [nn.Linear(wide, narrow), nn.BatchNorm1d(narrow), nn.ReLU(), nn.Dropout(0.2)]


def disagreement(theirs: Theirs, *, count: int = 640) -> float:
    """Return how far the losses of both are apart after an epoch of the same steps."""
    count = min(count, len(theirs.data))
    rows = torch.stack([theirs.data[i][0] for i in range(count)]).to(device())
    x = {"audio": rows[:, :DIM], "video": rows[:, DIM:]}
    fold = Fold(x, torch.arange(count, device=device()) % SCENES)
    torch.manual_seed(0)
    head = Head(dict.fromkeys(x, (DIM,)), SCENES, dropout=0.0).to(device())
    sober = Theirs(theirs.data.data)
    with torch.no_grad():
        for a, b in zip(sober.net.parameters(), head.parameters(), strict=True):
            a.copy_(b)
    for layer in sober.net:
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0)).tolist()
    ours_is = next(training(head, fold, fold, batch=BATCH))
    return abs(ours_is - sober.epoch(order=order))


if __name__ == "__main__":
    main("head_training")
