"""Extract clips on a Ray of this machine alone: python -m tests.pipeline.on_ray LOG [LAST]."""

import sys
from pathlib import Path

import stages
from avsc.artifacts.extraction import extract, key_of
from avsc.executors import create
from tests.pipeline.encoding import Encoding

IDS = [f"clip{i:02d}" for i in range(32)]


def main(log, last=""):
    sys.excepthook = stages.tell
    keys = {clip_id: key_of(clip_id) for clip_id in IDS}
    encoder = Encoding(Path(log), kills_node=last)
    execute = create({"name": "ray", "workers": 1})
    sys.stdout.write(str(extract(Path("x"), keys, encoder, about={}, execute=execute)))


if __name__ == "__main__":
    main(*sys.argv[1:])
