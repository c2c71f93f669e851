"""pretrain <tagger>: demo sounds or pictures -> data/weights/<tagger>.safetensors, its metrics."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from avsc import params
from avsc.datasets import demo
from avsc.params.encoders import Embed, Pretrain
from avsc.threads import cores


def main(name: str) -> None:
    p, seed = params.load(f"pretrain.{name}", Pretrain), params.load("seed")
    drawn = demo.drawn(p["examples"], p["items"] + p["held_out"], seed=seed, workers=cores())
    _train(name, p, seed, drawn)


def _train(
    name: str, p: dict[str, Any], seed: int, drawn: Iterator[tuple[np.ndarray, np.ndarray]]
) -> None:
    # imported here: the processes that draw import this file, too, and do so beside these imports
    import torch

    import avsc.encoders
    from avsc.artifacts import metrics, weights
    from avsc.scoring import tagging
    from avsc.training import tagger

    block = {
        k: v
        for k, v in params.load(f"embed.{name}", Embed).items()
        if k not in ("weights", "sha256", "sample_rate", "views", "precision", "engine", "compile")
    }
    hears = p["examples"] == "sounds"
    if hears:
        block["sample_rate"] = demo.SAMPLE_RATE
    classes = list(demo.EVENTS if hears else demo.OBJECTS)
    encoder: Any = avsc.encoders.create(
        block.pop("encoder"), weights="random", seed=seed, classes=classes, **block
    )
    ready = [(encoder.prepare(x if hears else x[:, None]), labels) for x, labels in drawn]
    inputs = torch.cat([x for x, _ in ready])
    labels = np.concatenate([some for _, some in ready])
    torch.manual_seed(seed)  # of dropout
    n = p["items"]
    truth = torch.from_numpy(labels[:n])
    history = tagger.fit(encoder.model, inputs[:n], truth, seed=seed, **p["fit"])

    with torch.inference_mode():
        logits = torch.cat([encoder.model(part)[1] for part in inputs[n:].split(256)])
    weights.write(
        Path(f"data/weights/{name}.safetensors"), encoder.model.state_dict(), classes=classes
    )
    scores = {
        "data": params.load("data"),
        "tagger": name,
        "mAP": tagging.mean_average_precision(labels[n:], logits.sigmoid().numpy()),
        "chance": tagging.prevalence(labels[n:]),
        "train_loss": history[-1],
    }
    metrics.write_table(Path(f"metrics/pretrain/{name}.csv"), [scores])


if __name__ == "__main__":
    main(sys.argv[1])
