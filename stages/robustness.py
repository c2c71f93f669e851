"""robustness <experiment>: a trained system, the disturbed test fold -> data/robustness/<name>/."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from avsc import experiment, params
from avsc.artifacts import bundles, disturbances, embeddings, predictions
from avsc.artifacts.disturbances import Disturbance
from avsc.device import device
from avsc.params.analyses import Robustness
from avsc.training.disturbances import later, without
from avsc.training.system import System, predict

Case = tuple[Disturbance, dict[str, Tensor]]


def main(name: str) -> None:
    p = params.read(Robustness, f"robustness.{name}")
    fitted = experiment.restore(Path("data/models") / name)
    data = experiment.load({"inputs": p.inputs, "labels": "none"})
    inputs, own = data.inputs, fitted.config["inputs"]
    if inputs != own:
        raise ValueError(
            f"robustness.{name} has inputs {inputs}, but {name} was trained on {own}; "
            "run `dvc repro`"
        )
    system = fitted.system.to(device())
    plain = experiment.predictions(fitted, data, "test")
    out, done = Path("data/robustness") / name, []
    for d, x in chain(on_rows(p, system, data), on_clips(p.inputs, data)):
        answer = replace(plain, probs=predict(system, x))
        predictions.write(out / f"{d.name}.parquet", {"test": answer})
        done.append(d)
    disturbances.write(out, done)


def on_rows(p: Robustness, system: System, data: experiment.Data) -> Iterator[Case]:
    """Yield the rows as they are, without a modality, and with sound later than pictures."""
    test = data.splits["test"]
    yield Disturbance("none", "none"), test.x
    for m in p.missing:
        yield Disturbance(f"missing_{m}", f"missing_{m}"), without(m, test.x, system)
    if p.shift_s and (len(test.x) < 2 or data.scope == "clip"):
        raise ValueError(
            f"shift_s is {list(p.shift_s)}, but the system takes {' and '.join(test.x)} by the "
            f"{data.scope}; expected [] unless it takes audio and video by the segment"
        )
    for k in p.shift_s:
        audio = later(test.x["audio"], k, test.count.tolist())
        yield Disturbance(f"shift_s_{k}", "shift", k, "s"), test.x | {"audio": audio}


def on_clips(inputs: str, data: experiment.Data) -> Iterator[Case]:
    """Yield the rows with one modality as its encoder made it of disturbed clips."""
    test = data.splits["test"]
    disturbed = bundles.inside(Path("data/disturbed") / inputs)
    for m, encoder in data.inputs.items():
        directory = disturbed[encoder]
        for d in disturbances.read(directory):
            e = embeddings.read(directory, [item for item, _ in d.clips(test.clip_id)])
            e = e if e.scope == data.scope else e.pooled()
            plain = Path("data/embeddings") / inputs
            embeddings.check_rows({plain: test.count, directory: e.count}, test.clip_id)
            yield d, test.x | {m: torch.from_numpy(e.rows)}


if __name__ == "__main__":
    main(sys.argv[1])
