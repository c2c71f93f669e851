"""synthesize <name>: -> data/raw/<name>, data/truth/<name>.csv, the demo world."""

import sys
from pathlib import Path

from avsc import params
from avsc.artifacts import whole
from avsc.datasets import demo
from avsc.params.data import DemoWorld


def main(name: str) -> None:
    p = params.load(f"synthesize.{name}", DemoWorld)
    truth = Path(f"data/truth/{name}.csv")
    demo.write(Path(f"data/raw/{name}"), truth=truth, save=whole.write, **p)


if __name__ == "__main__":
    main(sys.argv[1])
