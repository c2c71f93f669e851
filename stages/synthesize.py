"""synthesize <name>: -> data/raw/<name>, data/truth/<name>.csv, the demo world."""

import sys
from pathlib import Path

from avsc import params
from avsc.artifacts import truth, whole
from avsc.datasets import demo
from avsc.params.data import DemoWorld


def main(name: str) -> None:
    p = params.load(f"synthesize.{name}", DemoWorld)
    path = Path(f"data/truth/{name}.csv")
    out = Path(f"data/raw/{name}")
    demo.write(out, truth=path, save=whole.write, seal=truth.sealed, **p)


if __name__ == "__main__":
    main(sys.argv[1])
