"""import_features <name>: feature files of others -> data/embeddings/<name>/, as an encoder's."""

import hashlib
import json
import sys
from functools import partial
from pathlib import Path

from avsc import importing, params
from avsc.artifacts import extraction, manifest
from avsc.artifacts.shard import Arrays
from avsc.params.features import ImportFeatures


def main(name: str) -> None:
    p = params.load(f"import_features.{name}", ImportFeatures)
    lost = {r["clip_id"] for r in manifest.read(Path("data/quarantine.csv"), manifest.QUARANTINE)}
    listed = manifest.read(Path("data/manifest/media.csv"), manifest.MEDIA)
    arrays = importing.imported(
        **p,
        clips=[r["clip_id"] for r in listed if r["clip_id"] not in lost],
        varied={r["clip_id"] for r in listed if r["fold"] == "train"},
        seconds=params.load("decode.seconds"),
    )
    about = {
        "made_by": f"import_features {name}",
        "params": json.dumps(p, sort_keys=True),
        "modality": p["modality"],
        "scope": importing.SCOPES[p["select"]],
        "classes": "[]",
    }
    keys = {c: extraction.key_of("imported", about, digests(a)) for c, a in arrays.items()}
    out = Path("data/embeddings") / name
    tally = extraction.extract(out, keys, lambda: partial(map, arrays.__getitem__), about=about)
    print(f"import_features {name}: {tally}")


def digests(arrays: Arrays) -> dict[str, str]:
    return {n: hashlib.sha256(a.tobytes()).hexdigest() for n, a in arrays.items()}


if __name__ == "__main__":
    main(sys.argv[1])
