"""Scores of this tree beside those of a revision, with intervals of the paired differences."""

import math
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from avsc import evaluation, params
from avsc.escaping import markdown as cell
from avsc.scoring import uncertainty
from avsc.scoring.uncertainty import Interval

READ = (".json", "/scores.csv")  # what tells the scores of systems
PREDICTIONS = "data/predictions/{}.parquet"
Scores = Mapping[str, Any]


@contextmanager
def metrics_at(rev: str) -> Iterator[Path]:
    """Yield a folder that holds metrics/ as git has it at a revision.

    Raises:
        ValueError: if git has no such revision, or no metrics there.
    """
    names = _git(rev, "ls-tree", "-r", "--name-only", rev, "metrics/").decode().splitlines()
    with TemporaryDirectory() as folder:
        for name in names:
            if name.endswith(READ):
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_git(rev, "show", f"{rev}:{name}"))
        yield Path(folder) / "metrics"


def _git(rev: str, *command: str) -> bytes:
    done = subprocess.run(["git", *command], capture_output=True)
    if done.returncode:
        cause = " ".join(done.stderr.decode(errors="replace").split())
        raise ValueError(f"git has no metrics of {rev!r} ({cause}); name a commit, tag or branch")
    return done.stdout


def interval(system: str, protocol: str, earlier: Any) -> Interval | None:
    """Return the interval of a system's log-loss now less its log-loss at a revision.

    None where a prediction file of the two is neither here nor in DVC's cache or remote.

    Args:
        system: an experiment or ensemble.
        protocol: segment or clip.
        earlier: DVC's file system of the revision.
    """
    from dvc.exceptions import DvcException

    path = PREDICTIONS.format(system)
    if not Path(path).is_file():
        return None
    with TemporaryDirectory() as folder:
        before = Path(folder) / path  # its reader compares the name inside
        before.parent.mkdir(parents=True)
        try:
            earlier.get_file(path, str(before))
        except (OSError, DvcException):
            return None
        paths = {"now": Path(path), "before": before}
        found = evaluation.together(paths, seconds=params.load("decode.seconds"))
    now, then = (found[side].items[protocol] for side in ("now", "before"))
    locations = found["now"].column("location", protocol)
    difference = now.losses - then.losses
    return uncertainty.macro_interval(now.targets, difference, locations, seed=params.load("seed"))


def markdown(now: Mapping[str, Scores], before: Mapping[str, Scores], rev: str) -> str:
    """Return a Markdown table of the systems of either, the smallest log-loss of now first.

    Args:
        now: {system: its scores}, as `avsc.cli.results.read_metrics` returns them.
        before: the same at the revision.
        rev: name of the revision.

    Raises:
        ValueError: if neither has a system.
    """
    from dvc.api import DVCFileSystem  # slow to import

    records = {n: m for n, m in {**before, **now}.items() if isinstance(m, Mapping)}
    systems = {n: _protocol(m) for n, m in records.items() if "clip" in m}
    if not systems:
        raise ValueError(f"neither this tree nor {rev} has scores of a system; run `dvc repro`")
    ranked = sorted(systems, key=lambda n: (_score(now, n, systems[n], "log_loss", math.inf), n))
    earlier, at = DVCFileSystem(".", rev=rev), cell(rev)
    lines = [
        f"| system | log-loss, {at} | now | difference | 95 % interval | accuracy, {at} | now |",
        f"|---|{'--:|' * 6}",
    ]
    for name in ranked:
        loss, accuracy = (
            [_score(found, name, systems[name], score) for found in (before, now)]
            for score in ("log_loss", "accuracy")
        )
        known = None not in loss
        bounds = interval(name, systems[name], earlier) if known else None
        cells = [
            *(_text(v, "{:.4f}") for v in loss),
            _text(loss[1] - loss[0] if known else None, "{:+.4f}"),
            _bounds(bounds),
            *(_text(v, "{:.1%}") for v in accuracy),
        ]
        protocol = "" if systems[name] == "segment" else f" ({systems[name]})"
        lines.append(f"| {cell(name)}{protocol} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _protocol(scores: Scores) -> str:
    return "segment" if "segment" in scores else "clip"


def _score(
    found: Mapping[str, Scores], name: str, protocol: str, score: str, default: Any = None
) -> Any:
    value = found.get(name, {}).get(protocol, {}).get(score)
    return default if value is None else value


def _bounds(found: Interval | None) -> str:
    if found is None or found.bootstrap_low is None or found.bootstrap_high is None:
        return "-"
    return f"{found.bootstrap_low:+.4f} to {found.bootstrap_high:+.4f}"


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
