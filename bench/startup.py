"""Startup: help, a prediction, a run with nothing to do and each stage's imports, warm.

In this project as `make repro` leaves it; each command is a process of its own, run once before it
counts. CPU is that of user and system. `loads` names the packages that take longest to import, of
those that are loaded in the end; what a stage imports only when it needs it is not among them.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from avsc import params
from avsc.artifacts import manifest
from bench._table import main
from bench._turns import Row, seconds_of

ROOT = Path(__file__).parents[1]
HEAVY = ("dvc", "pandas", "scipy", "sklearn", "timm", "torch", "torchvision", "transformers")
AVSC = "from avsc.cli import app; app()"
LOADED = f"import sys; sys.stderr.write(' '.join(m for m in {HEAVY} if m in sys.modules))"
REPEATS = 5


def results(*, quick: bool = False) -> list[Row]:
    """Return a row for each command and for each stage."""
    stages = sorted(p.stem for p in (ROOT / "stages").glob("[!_]*.py"))
    rows = [_measured("avsc --help", ["-c", AVSC, "--help"], most_s=0.5, quick=quick)]
    if not quick:
        predict = ["-c", AVSC, "predict", *_clip()]
        rows.append(_measured("avsc predict, ten seconds", predict, most_s=4, quick=quick))
        rows.append(_measured("dvc repro, nothing to do", _repro(), most_s=4, quick=quick))
    return rows + [
        _measured(f"import stages.{stage}", _imports(stage), quick=quick)
        for stage in stages[: 1 if quick else None]
    ]


def _clip() -> list[str]:
    """Return the arguments that name a clip of the data set."""
    first = manifest.read(ROOT / "data/manifest/media.csv", manifest.MEDIA)[0]
    root = ROOT / params.load("index.root", root=ROOT)
    return [str(root / first["video"]), "--audio", str(root / first["audio"])]


def _repro() -> list[str]:
    """Return the arguments of a run, after a check that it has nothing to do."""
    command = [sys.executable, "-m", "dvc", "status", "--quiet"]
    if subprocess.run(command, cwd=ROOT, env=_environment()).returncode:
        raise ValueError("`dvc repro` would run stages, expected nothing to do; run `make repro`")
    return ["-m", "dvc", "repro", "--quiet"]


def _imports(stage: str) -> list[str]:
    # as `python -m stages.<stage>`, whose sys.argv[0] is "-m" while it looks for the stage
    return ["-c", f"import sys; sys.argv[0] = '-m'; import stages.{stage}; {LOADED}"]


def _measured(
    work: str, arguments: Sequence[str], *, quick: bool, most_s: float | None = None
) -> Row:
    """Return the median seconds of a command of Python."""
    took, used = [], []
    said = _run(arguments)
    for _ in range(1 if quick else REPEATS):
        before = _cpu_s()
        took.append(seconds_of(lambda: _run(arguments)))
        used.append(_cpu_s() - before)
    return {
        "work": work,
        "took_s": median(took),
        "CPU_s": median(used),
        "at most_s": most_s,
        "loads": said if LOADED in arguments[-1] else "",
    }


def _run(arguments: Sequence[str]) -> str:
    """Run Python in the project; return what it writes to stderr."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=_environment(), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
    return done.stderr


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path}


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main("startup")
