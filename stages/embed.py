"""embed <name>: data/media, data/weights -> data/embeddings/<name>/, views of training clips.

Where the weights come from, and what engine and precision ran, goes to metrics/embed/<name>.csv.
"""

import json
import sys
from pathlib import Path

from avsc import embedding, executors, params
from avsc.artifacts import extraction, manifest, metrics
from avsc.params.encoders import Embed
from avsc.params.executors import Executor


def main(name: str) -> None:
    p = params.load(f"embed.{name}", Embed)
    clips = manifest.read(Path("data/manifest/media.csv"), manifest.MEDIA)
    views = p.get("views")
    varied = {r["clip_id"] for r in clips if r["fold"] == "train"} if views else set()
    embedder = embedding.Embedder(p, varied=varied, name=name)
    encoder, deviation = embedder.encoder, embedder.settle()
    computed = embedder.how.apart
    made_of = ("embedding", *embedding.identity(encoder, p), *([computed] if computed else []))
    keys = {
        clip_id: extraction.key_of(*made_of, key, *([views] if clip_id in varied else []))
        for clip_id, key in embedder.library.key.items()
    }
    about = {
        "made_by": f"embed {name}",
        "params": json.dumps({k: v for k, v in p.items() if k != "views"}, sort_keys=True),
        "modality": encoder.modality,
        "scope": encoder.scope,
        "classes": json.dumps(getattr(encoder, "classes", [])),
        **computed,
    }
    out = Path("data/embeddings") / name
    execute = executors.create(params.load("executor", Executor))
    tally = extraction.extract(out, keys, embedder, about=about, execute=execute)
    how = embedder.how
    ran = {"engine": how.engine, "precision": how.precision, "deviation": deviation}
    row = embedding.provenance(encoder, p) | ran
    metrics.write_table(Path(f"metrics/embed/{name}.csv"), [row])
    print(f"embed {name}: {tally}")


if __name__ == "__main__":
    main(sys.argv[1])
