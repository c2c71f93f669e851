"""pretrain <tagger>: demo sounds or pictures -> data/weights/<tagger>.safetensors, its metrics."""

import sys
from pathlib import Path
from typing import Any

import torch

import avsc.encoders
from avsc import params
from avsc.artifacts import metrics, weights
from avsc.datasets import demo
from avsc.scoring import tagging
from avsc.training import tagger


def main(name: str) -> None:
    p, seed = params.load(f"pretrain.{name}"), params.load("seed")
    block = {
        k: v
        for k, v in params.load(f"embed.{name}").items()
        if k not in ("weights", "sha256", "sample_rate", "views", "precision", "engine", "compile")
    }
    hears = p["examples"] == "sounds"
    if hears:
        block["sample_rate"] = demo.SAMPLE_RATE
    classes = list(demo.EVENTS if hears else demo.OBJECTS)
    encoder: Any = avsc.encoders.create(
        block.pop("encoder"), weights="random", seed=seed, classes=classes, **block
    )
    draw = demo.labelled_sounds if hears else demo.labelled_pictures
    items, labels = draw(p["items"] + p["held_out"], seed=seed)
    inputs = encoder.prepare(items if hears else items[:, None])
    truth = torch.from_numpy(labels)
    torch.manual_seed(seed)  # of dropout
    n = p["items"]
    history = tagger.fit(encoder.model, inputs[:n], truth[:n], seed=seed, **p["fit"])

    with torch.inference_mode():
        logits = torch.cat([encoder.model(part)[1] for part in inputs[n:].split(256)])
    weights.write(
        Path(f"data/weights/{name}.safetensors"), encoder.model.state_dict(), classes=classes
    )
    scores = {
        "data": params.load("data"),
        "mAP": tagging.mean_average_precision(labels[n:], logits.sigmoid().numpy()),
        "chance": tagging.prevalence(labels[n:]),
        "train_loss": history[-1],
    }
    metrics.write(Path(f"metrics/pretrain/{name}.json"), scores)


if __name__ == "__main__":
    main(sys.argv[1])
