"""embed <name>: data/media, data/weights -> data/embeddings/<name>/, views of training clips.

Where the weights come from goes to metrics/embed/<name>.json.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

from avsc import embedding, params
from avsc.artifacts import extraction, manifest, media, metrics
from avsc.device import device


def main(name: str) -> None:
    p = params.load(f"embed.{name}")
    views = p.pop("views", None)
    encoder = embedding.create(p)
    library = media.Library(Path("data/media"))
    made_of = ("embedding", *embedding.identity(encoder, p))
    clips = manifest.read(Path("data/manifest/media.csv"), manifest.MEDIA)
    varied = {r["clip_id"] for r in clips if r["fold"] == "train"} if views else set()
    keys = {
        clip_id: extraction.key_of(*made_of, key, *([views] if clip_id in varied else []))
        for clip_id, key in library.key.items()
    }

    def encode(clip_id: str) -> extraction.Arrays:
        x = embedding.rows(encoder, library.read(clip_id, embedding.ARRAYS[encoder.modality]))
        arrays = encoder(x)
        if clip_id in varied:
            arrays["views"] = encoder.views(x, **views)
        if bad := [n for n, a in arrays.items() if not np.isfinite(a).all()]:
            raise ValueError(f"{name}: {bad} of clip {clip_id!r} is NaN or infinite; its weights?")
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
    metrics.write(Path(f"metrics/embed/{name}.json"), embedding.provenance(encoder, p))
    print(f"embed {name}: {tally}")


if __name__ == "__main__":
    main(sys.argv[1])
