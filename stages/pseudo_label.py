"""pseudo_label: logits of the taggers -> data/pseudo_labels.parquet, metrics/pseudo_labels.csv."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from avsc import params
from avsc.artifacts import embeddings, manifest, metrics, pseudo_labels, truth
from avsc.params.labels import PseudoLabel
from avsc.scoring import tagging
from avsc.training import pseudo_labels as pseudo

log = logging.getLogger(__name__)


def main() -> None:
    p = params.load("pseudo_label", PseudoLabel)
    clips = manifest.read(Path("data/manifest/media.csv"), manifest.MEDIA)
    fold = {r["clip_id"]: r["fold"] for r in clips}
    kinds = pseudo_labels.KINDS
    directories = {k: Path("data/embeddings") / p[k]["tagger"] for k in kinds}
    tagged = set.intersection(*(embeddings.clips(d) for d in directories.values()))
    ids = [c for c in fold if c in tagged]

    scores: list[dict[str, Any]] = []
    names: dict[str, list[list[str]]] = {}
    classes: dict[str, tuple[str, ...]] = {}
    rows: list[tuple[str, int | None]] = []
    found = {k: embeddings.read(d, ids, "logits") for k, d in directories.items()}
    if len({tags.scope for tags in found.values()}) == 1:
        embeddings.check_rows({directories[k]: t.count for k, t in found.items()}, ids)
    for kind, tags in found.items():
        block = p[kind]
        probs, count = pseudo.probabilities(
            tags.rows, tags.count, activation=block["activation"], pooling=block["pooling"]
        )
        training = np.repeat([fold[c] == "train" for c in ids], count)
        cut = {key: block[key] for key in ("threshold", "quantile") if key in block}
        labels = probs >= pseudo.least_probability(probs, training, **cut)
        if doubt := pseudo.doubtful(labels, activation=block["activation"]):
            log.warning("pseudo_label.%s: %s", kind, doubt)
        classes[kind] = tags.classes
        names[kind] = [[tags.classes[j] for j in np.flatnonzero(row)] for row in labels]
        whole = block["pooling"] != "none" or tags.scope == "clip"
        mine = [
            (c, None if whole else k) for c, n in zip(ids, count, strict=True) for k in range(n)
        ]
        if rows and rows != mine:
            raise ValueError(
                "pseudo_label: events and objects are of different rows; give both the same pooling"
            )
        rows = mine
        scores.append({"data": params.load("data"), "kind": kind, **tagging.density(labels)})
        if p["truth"] != "none":
            there = occurring(Path("data/truth") / p["truth"], kind, rows, tags.classes)
            scores[-1] |= tagging.precision_recall(there, labels)
            scores[-1]["mAP"] = tagging.mean_average_precision(there, probs)
            scores[-1]["chance"] = tagging.prevalence(there)

    clip_id, segment = zip(*rows, strict=True)
    pseudo_labels.write(Path("data/pseudo_labels.parquet"), clip_id, segment, names, classes)
    metrics.write_table(Path("metrics/pseudo_labels.csv"), scores)


def occurring(
    path: Path, kind: str, rows: list[tuple[str, int | None]], classes: tuple[str, ...]
) -> np.ndarray:
    """Return which classes occur in each row: (row, class) bool."""
    seconds = truth.read(path)
    clips: dict[str, set[str]] = {}
    known = {clip_id for clip_id, _ in seconds}
    if unknown := [c for c, _ in rows if c not in known]:
        raise ValueError(
            f"{path} says nothing of {len(unknown)} of {len(rows)} rows, the first of clip "
            f"{unknown[0]!r}; is it of another data set? then set pseudo_label.truth: none"
        )
    for (clip_id, _), what in seconds.items():
        clips.setdefault(clip_id, set()).update(what[kind])
    there = [clips[c] if k is None else seconds[c, k][kind] for c, k in rows]
    return np.array([[name in names for name in classes] for names in there])


if __name__ == "__main__":
    main()
