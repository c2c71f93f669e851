"""Many damaged files to one reader, in processes that may end: python -m tests.fuzz.rounds READER.

A file that ends its process, by a crash or by computing for too long, is read again as the project
reads such files, in a process of its own, and must there be an error that names it.
"""

import argparse
import mmap
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from avsc.artifacts import feature_process
from tests.fuzz.mutations import SEED
from tests.fuzz.targets import TARGETS, Target

FILE_S = 0.3  # of computing, for one file of a library that may hang
ENDS = ("(by SIG", "s of computing for one array")


@contextmanager
def own_folder() -> Iterator[Path]:
    """Yield a new folder, which goes with this process and not with those that it forks."""
    owner, folder = os.getpid(), tempfile.mkdtemp()
    try:
        yield Path(folder)
    finally:
        if os.getpid() == owner:
            shutil.rmtree(folder)


class Round:
    """A reader, valid files of it in a folder, and how many damaged ones it has read."""

    def __init__(self, target: Target, folder: Path) -> None:
        self.target, self.folder = target, folder
        self.path = folder / target.file
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.seeds = target.make(folder)
        self.done = mmap.mmap(-1, 8)  # shared with the processes that read

    def read(self, content: bytes) -> None:
        self.done[:] = (self.count() + 1).to_bytes(8, "little")
        self.path.write_bytes(content)
        if self.target.apart:
            signal.setitimer(signal.ITIMER_PROF, FILE_S)
        self.target.check(self.path)
        signal.setitimer(signal.ITIMER_PROF, 0)

    def damaged(self, content: bytes, rng: Random) -> bytes:
        return rng.choice(self.target.damages)(content, rng.choice(self.seeds), rng)

    def count(self) -> int:
        return int.from_bytes(self.done[:], "little")

    def holds(self, runs: int, fuzz: Callable[["Round", int], None]) -> bool:
        """Read `runs` files; return whether nothing came out that is not documented."""
        feature_process.ARRAY_S = FILE_S / 3  # what was too long here is so there as well
        while (left := runs - self.count()) > 0:
            if not (child := os.fork()):
                fuzz(self, left)
                os._exit(0)
            if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) and not self._is_told():
                return False
        return True

    def _is_told(self) -> bool:
        if not self.target.apart:
            return False
        try:
            self.target.apart(self.path)
        except self.target.errors as error:
            told = str(error)
            return self.path.name in told and any(end in told for end in ENDS)
        return False


def blindly(fuzz: Round, runs: int) -> None:
    """Read `runs` files, each damaged by what its number draws."""
    for _ in range(runs):
        rng = Random(f"{SEED} {fuzz.count()}")
        fuzz.read(fuzz.damaged(rng.choice(fuzz.seeds), rng))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reader", choices=[name for name, t in TARGETS.items() if t.apart])
    parser.add_argument("--runs", type=int, default=10_000)
    asked = parser.parse_args()
    with own_folder() as folder:
        fuzz = Round(TARGETS[asked.reader], folder)
        if not fuzz.holds(asked.runs, blindly):
            sys.exit(f"file {fuzz.count()} of {asked.reader}: see above")


if __name__ == "__main__":
    main()
