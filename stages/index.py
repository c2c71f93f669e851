"""index: a data set in the TAU layout -> data/manifest/."""

from dataclasses import asdict
from pathlib import Path

from avsc import params
from avsc.artifacts import digests, manifest, predictions
from avsc.datasets import tau
from avsc.params.data import Index


def main() -> None:
    p = params.load("index", Index)
    p.pop("watch")
    root, seed = Path(p.pop("root")), params.load("seed")
    with digests.remembered(Path(".avsc/digests.json")) as digest:
        rows = [asdict(clip) for clip in tau.index(root, seed=seed, digest=digest, **p)]
    predictions.check_scenes([row["scene_label"] for row in rows])
    out = Path("data/manifest")
    labels = {"test": [r for r in rows if r["split"] == "test"]}
    labels["train"] = [r for r in rows if r["split"] != "test"]
    media = [r | {"fold": "test" if r["split"] == "test" else "train"} for r in rows]
    manifest.write(out / "media.csv", manifest.MEDIA, media)
    for fold in ("train", "test"):
        manifest.write(out / f"labels_{fold}.csv", manifest.LABELS, labels[fold])
        scenes = {r["scene_label"] for r in labels[fold]}
        places = {r["location"] for r in labels[fold]}
        print(f"{fold}: {len(labels[fold])} clips, {len(scenes)} scenes, {len(places)} locations")


if __name__ == "__main__":
    main()
