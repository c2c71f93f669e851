"""disturb <encoder>: clips of the test fold, noisy, blurred ... -> data/disturbed/<encoder>/."""

import json
import sys
from functools import partial
from pathlib import Path

from avsc import embedding, executors, params
from avsc.artifacts import disturbances, extraction, manifest
from avsc.artifacts.disturbances import Disturbance
from avsc.artifacts.shard import Arrays
from avsc.media.disturbances import VERSION, effects
from avsc.params.encoders import Disturb, Embed
from avsc.params.executors import Executor


def main(name: str) -> None:
    p, asked = params.load(f"embed.{name}", Embed), params.load(f"disturb.{name}", Disturb)
    named, own = ({key: block[key] for key in ("encoder", "weights")} for block in (asked, p))
    if named != own:
        raise ValueError(f"disturb.{name} has {named}, embed.{name} {own}; give both the same")
    embedder, seed = embedding.Embedder(p, varied=()), asked.get("seed", 0)
    encoder, library = embedder.encoder, embedder.library
    strengths = {key: s for key, s in asked.items() if key not in ("encoder", "weights", "seed")}
    todo = effects(strengths, modality=encoder.modality, seed=seed)
    made = [Disturbance(e.name, e.kind.name, e.strength, e.kind.unit) for e in todo]
    rows = manifest.read(Path("data/manifest/media.csv"), manifest.MEDIA)
    test = [r["clip_id"] for r in rows if r["fold"] == "test" and r["clip_id"] in library.key]
    work = {item: (e, c) for e, d in zip(todo, made, strict=True) for item, c in d.clips(test)}

    made_of = ("disturbed", VERSION, seed, *embedding.identity(encoder, p))
    keys = {
        item: extraction.key_of(*made_of, effect.name, library.key[clip_id])
        for item, (effect, clip_id) in work.items()
    }

    def encode(item: str) -> Arrays:
        effect, clip_id = work[item]
        encoder, library = embedder.encoder, embedder.library  # those of the process that encodes
        clip = library.read(clip_id, embedding.ARRAYS[encoder.modality])
        made = {"embedding": encoder(effect(embedding.rows(encoder, clip)))["embedding"]}
        embedding.check_finite(made, f"clip {item!r} (disturb.{name})", "is it too strong?")
        return made

    about = {
        "made_by": f"disturb {name}",
        "params": json.dumps(p, sort_keys=True),
        "modality": encoder.modality,
        "scope": encoder.scope,
    }
    out = Path("data/disturbed") / name
    opened = partial(embedding.clips_in_threads, encode)
    execute = executors.create(params.load("executor", Executor))
    tally = extraction.extract(out, keys, opened, about=about, execute=execute)
    disturbances.write(out, made)
    print(f"disturb {name}: {tally}")


if __name__ == "__main__":
    main(sys.argv[1])
