"""Coverage-guided fuzzing by atheris: python -m tests.fuzz.guided [READER ...] --keep FOLDER.

libFuzzer draws damages, keeps what reaches new lines of ours, and damages that further; half of the
damages are those of mutations.py. A reader is done at the first error that is not documented; the
file is kept.
"""

import argparse
import os
import sys
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["avsc", "tests.fuzz.targets"]):
    from tests.fuzz.mutations import SEED
    from tests.fuzz.rounds import Round, own_folder
    from tests.fuzz.targets import TARGETS

STUCK_S = 60  # over one file


def fuzz(name: str, runs: int, keep: Path) -> bool:
    """Fuzz a reader; return whether only documented errors came out."""
    with own_folder() as folder:
        return Round(TARGETS[name], folder).holds(
            max(1, round(runs * TARGETS[name].share)), lambda r, left: _guided(r, left, name, keep)
        )


def _guided(fuzz: Round, runs: int, name: str, keep: Path) -> None:
    """Fuzz until this process ends; its output goes to a log."""
    log = os.open(keep / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    corpus = fuzz.folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, content in enumerate(fuzz.seeds):
        (corpus / str(number)).write_bytes(content)

    def damaged(content: bytes, most: int, seed: int) -> bytes:
        rng = Random(seed)
        if not content or rng.random() < 0.5:
            return atheris.Mutate(content, most)
        return fuzz.damaged(content, rng)[:most]

    options = {
        "runs": runs,
        "seed": (SEED + fuzz.count()) % 2**31 + 1,  # 0 would draw one
        "timeout": STUCK_S,
        "max_len": 2 * max(map(len, fuzz.seeds)) + 256,
        "rss_limit_mb": 8192,
        "artifact_prefix": f"{keep}/{name}-",
    }
    arguments = [sys.argv[0], *(f"-{k}={v}" for k, v in options.items()), str(corpus)]
    atheris.Setup(arguments, fuzz.read, custom_mutator=damaged)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(TARGETS))
    parser.add_argument("--runs", type=int, default=10_000, help="files of a cheap reader")
    parser.add_argument("--keep", type=Path, required=True, help="folder for logs and bad files")
    asked = parser.parse_args()
    asked.keep.mkdir(parents=True, exist_ok=True)
    names = asked.readers or [name for name in TARGETS if name != "planted"]
    failed = [name for name in names if not fuzz(name, asked.runs, asked.keep)]
    for name in failed:
        sys.stderr.write((asked.keep / f"{name}.log").read_text(errors="replace")[-3000:])
    sys.exit(f"undocumented: {', '.join(failed)}; see {asked.keep}" if failed else 0)


if __name__ == "__main__":
    main()
