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
    files = {"save": whole.write, "seal": truth.sealed}
    demo.write(Path(f"data/raw/{name}"), truth=path, **files, **p)


if __name__ == "__main__":
    main(sys.argv[1])
