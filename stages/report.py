"""report: metrics/, predictions, media and labels of the test fold -> reports/index.html."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import avsc.encoders
from avsc import evaluation, params
from avsc.artifacts import embeddings, media, predictions, results, whole
from avsc.params.labels import Tags
from avsc.params.report import Report
from avsc.reporting import clips, page
from avsc.reporting.blocks import Results
from avsc.training.pseudo_labels import probabilities

Rows = Mapping[str, np.ndarray]  # of each clip


def main() -> None:
    p, data = params.load("report", Report), params.load("data")
    names = {section: params.names(section) for section in page.NAMED}
    names["systems"] = [*params.names("train"), *params.names("ensemble")]
    paths = {s: Path(f"data/predictions/{s}.parquet") for s in p["systems"] if s != "none"}
    if not paths:
        raise ValueError("report.systems names no system; name at least one of train or ensemble")
    seconds = params.load("decode.seconds")
    fold = evaluation.answered(next(iter(paths.values())), "test", seconds=seconds)
    html = page.render(
        Results(results.read(Path("metrics"), page.files(names))),
        data=data,
        names=names,
        labels=fold.labels,
        browser={
            "scenes": fold.scenes,
            "systems": list(paths),
            "clips": list(browsed(fold.labels, paths, p)),
        },
        map_points=p["map_points"],
    )
    out = Path("reports/index.html")
    whole.write(out, html.encode())
    print(f"report: {out}, {out.stat().st_size / 1e6:.1f} MB")


def browsed(
    labels: list[dict[str, str]], paths: Mapping[str, Path], p: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Return the clips of the clip browser, in the order of the labels."""
    library = media.Library(Path("data/media"))
    about = {r["clip_id"]: r for r in labels if r["clip_id"] in library.key}
    ids = clips.chosen({c: r["scene_label"] for c, r in about.items()}, p["clips"])
    systems = {s: by_clip(path) for s, path in paths.items()}
    found = {kind: tags(kind, ids) for kind in ("events", "objects")}
    logmel: Any = avsc.encoders.create("logmel", sample_rate=params.load("decode.sample_rate"))
    for i, clip_id in enumerate(ids):
        arrays = library.read(clip_id, ("waveform", "jpeg", "jpeg_length"))
        frames = logmel(arrays["waveform"])["embedding"]
        clip = clips.Clip(
            about={k: v for k, v in about[clip_id].items() if k != "split"},
            pictures=media.pictures(arrays),
            logmel=frames.reshape(-1, frames.shape[-1]),
            tags={kind: own[i] for kind, own in found.items()},
            probs={s: rows[clip_id] for s, rows in systems.items()},
        )
        yield clips.entry(clip, short_side_px=p["short_side_px"], quality=p["jpeg_quality"])


def by_clip(path: Path) -> Rows:
    """Return the probabilities of each clip of the test fold, its seconds in their order."""
    found = predictions.read(path, "test")
    rows: dict[str, list[int]] = {}
    for i, clip_id in enumerate(found.clip_id):
        rows.setdefault(clip_id, []).append(i)
    return {clip_id: found.probs[own] for clip_id, own in rows.items()}


def tags(kind: str, ids: list[str]) -> list[clips.Tags]:
    """Return what the tagger of events or objects finds in each clip."""
    block = params.load(f"pseudo_label.{kind}", Tags)
    found = embeddings.read(Path("data/embeddings") / block["tagger"], ids, "logits")
    probs, count = probabilities(
        found.rows, found.count, activation=block["activation"], pooling="none"
    )
    parts = np.split(probs, np.cumsum(count)[:-1])
    return [clips.Tags(found.classes, part) for part in parts]


if __name__ == "__main__":
    main()
