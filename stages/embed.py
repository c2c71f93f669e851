"""embed <name>: data/media, data/weights -> data/embeddings/<name>/, views of training clips."""

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

import avsc.encoders
import avsc.media
from avsc import params
from avsc.artifacts import extraction, manifest, media
from avsc.artifacts import weights as weights_file
from avsc.device import device


def main(name: str) -> None:
    p = params.load(f"embed.{name}")
    views = p.pop("views", None)
    source = Path("data/weights") / p["weights"]
    version = import_module(f"avsc.encoders.{p['encoder']}").VERSION
    encoder = create(**p)
    library = media.Library(Path("data/media"))
    made_of = ("embedding", version, p, weights_file.digest(source))
    clips = manifest.read(Path("data/manifest/media.csv"), manifest.MEDIA)
    varied = {r["clip_id"] for r in clips if r["fold"] == "train"} if views else set()
    keys = {
        clip_id: extraction.key_of(*made_of, key, *([views] if clip_id in varied else []))
        for clip_id, key in library.key.items()
    }

    def encode(clip_id: str) -> extraction.Arrays:
        x = rows(library, clip_id, encoder)
        arrays = encoder(x)
        if clip_id in varied:
            arrays["views"] = encoder.views(x, **views)
        if bad := [n for n, a in arrays.items() if not np.isfinite(a).all()]:
            raise SystemExit(f"{name}: {bad} of clip {clip_id!r} is NaN or infinite; its weights?")
        return arrays

    about = {
        "made_by": f"embed {name}",
        "params": json.dumps(p, sort_keys=True),
        "modality": encoder.modality,
        "scope": encoder.scope,
        "classes": json.dumps(getattr(encoder, "classes", [])),
    }
    torch.set_num_threads(1)  # clips in parallel instead, so that bits do not depend on the cores
    threads = os.cpu_count() or 1 if device() == "cpu" else 1
    out = Path("data/embeddings") / name
    tally = extraction.extract(out, keys, encode, about=about, threads=threads)
    print(f"embed {name}: {tally}")


def create(*, encoder: str, weights: str, sha256: str | None = None, **more: Any) -> Any:
    """Return an encoder with the weights that its block of params.yaml names."""
    if weights == "none":
        return avsc.encoders.create(encoder, **more)
    more["device"] = device()
    if weights in ("pretrained", "random"):
        return avsc.encoders.create(encoder, weights=weights, **more)
    state, classes = weights_file.read(Path("data/weights") / weights, sha256=sha256)
    return avsc.encoders.create(encoder, weights=state, **({"classes": classes} | more))


def rows(library: media.Library, clip_id: str, encoder: Any) -> np.ndarray:
    """Return what `encoder` takes of a clip: a row a second, or one row of the whole clip."""
    whole = encoder.scope == "clip"
    if encoder.modality == "audio":
        waveform = library.read(clip_id, ["waveform"])["waveform"]
        return waveform.swapaxes(0, 1).reshape(1, 2, -1) if whole else waveform
    jpegs = media.pictures(library.read(clip_id, ["jpeg", "jpeg_length"]))
    pictures = np.stack([avsc.media.picture(jpeg) for jpeg in jpegs])
    return pictures[None] if whole else pictures[:, None]


if __name__ == "__main__":
    main(sys.argv[1])
