"""bundle <name> <folder>: two entries of data/<folder> -> data/<folder>/<name>/, as hard links.

The folder is `embeddings`, or `disturbed` for entries of `bundle_disturbed`.
"""

import sys
from pathlib import Path

from avsc import params
from avsc.artifacts import bundles

SECTIONS = {"embeddings": "bundle", "disturbed": "bundle_disturbed"}


def main(name: str, folder: str) -> None:
    root = Path("data") / folder
    members = params.load(f"{SECTIONS[folder]}.{name}")
    bundles.write(root / name, [root / member for member in members])
    print(f"bundle {name}: {', '.join(bundles.inside(root / name))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
