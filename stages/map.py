"""map <name>: a trained system -> metrics/maps/<name>.csv, a picture of what it learned."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.manifold import TSNE

from avsc import experiment, params
from avsc.artifacts import metrics, pseudo_labels
from avsc.params.analyses import Map

FEWEST = 4  # points: t-SNE looks at a quarter of them
DRAWN = {"embedding": "embedding", "classes": "class_weights"}  # method of a head


def main(name: str) -> None:
    p = params.read(Map, f"map.{name}")
    fitted = experiment.restore(Path("data/models") / p.experiment)
    check(f"map.{name}", p, fitted.system.head)
    about, points = of_classes(fitted, p) if p.of == "classes" else of_test_rows(fitted, p)
    if len(points) < FEWEST:
        raise ValueError(f"map.{name} has {len(points)} points, expected {FEWEST} or more")
    flat = TSNE(perplexity=min(30, len(points) // 4), random_state=params.load("seed"))
    xy = flat.fit_transform(points)
    data = params.load("data")
    places = [{"x": float(x), "y": float(y)} for x, y in xy]
    rows = [{"data": data, **a, **place} for a, place in zip(about, places, strict=True)]
    metrics.write_table(Path(f"metrics/maps/{name}.csv"), rows)


def check(key: str, p: Map, head: Any) -> None:
    """Raise a ValueError unless the head has what is to be drawn."""
    if not hasattr(head, method := DRAWN[p.of]):
        raise ValueError(
            f"{key} draws the {p.of} of {p.experiment}, whose head has no {method}; take an "
            "experiment of joint (embedding) or ceoa_sf (classes), or give the head that method"
        )


def of_test_rows(fitted: experiment.Fitted, p: Map) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Return clip and second of each row of the test fold, and what the head makes of it."""
    rows = experiment.load({"inputs": p.inputs, "labels": "none"}).splits["test"]
    head: Any = fitted.system.head
    with torch.inference_mode():
        points = head.embedding(fitted.system.prepare(rows.x)).numpy()
    seconds = [k for n in rows.count for k in range(n)]
    clips = np.repeat(rows.clip_id, rows.count)
    return [{"clip_id": c, "segment": k} for c, k in zip(clips, seconds, strict=True)], points


def of_classes(fitted: experiment.Fitted, p: Map) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Return the name of each event and object, and the weights of its class."""
    head: Any = fitted.system.head
    weights = head.class_weights()
    names = pseudo_labels.classes(Path("data") / p.labels)
    if {k: len(names[k]) for k in weights} != (own := {k: len(w) for k, w in weights.items()}):
        raise ValueError(
            f"{p.labels} names {', '.join(f'{len(names[k])} {k}' for k in weights)}, the model "
            f"was trained on {own}; run `dvc repro`"
        )
    about = [{"kind": k, "name": n} for k in weights for n in names[k]]
    return about, np.concatenate([w.numpy() for w in weights.values()])


if __name__ == "__main__":
    main(sys.argv[1])
