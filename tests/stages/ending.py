"""Run a stage several times, each in a fork of one process, and print the exit code of each.

python -m tests.stages.ending <stage> <argument> <rounds>
"""

import importlib
import os
import sys

import h5py  # noqa: F401 - what a stage loads is loaded once, before the forks
import torch  # noqa: F401

import stages


def main(stage, argument, rounds):
    sys.excepthook = stages.tell
    module = importlib.import_module(f"stages.{stage}")
    for _ in range(int(rounds)):
        if not (child := os.fork()):
            return module.main(*filter(None, [argument]))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
