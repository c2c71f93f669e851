"""Stages that are killed at any moment, alone or with the DVC that runs them."""

import json
import re
from pathlib import Path
from random import Random
from signal import Signals

import pytest
import yaml

from avsc import threads
from avsc.artifacts import making
from tests.pipeline.faults import breaking
from tests.pipeline.faults.breaking import EVENTS, ROUNDS, contents, forgotten, removed, run
from tests.pipeline.project import ROOT, fresh

pytestmark = [pytest.mark.slow, pytest.mark.fault, pytest.mark.timeout(600)]

STAGES = sorted(p.stem for p in (ROOT / "stages").glob("[a-z]*.py"))
KINDS = (
    "decode",
    "score",
    "study",
    "synthesize",
    "train",
)  # shards, tables, folders, media, models
SIGNALS = (Signals.SIGKILL, Signals.SIGTERM, Signals.SIGKILL, Signals.SIGINT)
COUNT = f"""{EVENTS}
import atexit, json

seen = [0, []]

def hook(event, arguments):
    seen[0] += 1
    if changes(event, arguments):
        seen[1].append(seen[0])

def tell():
    told = json.dumps(seen)
    with open(".trace/moments.json", "w") as f:
        f.write(told)

atexit.register(tell)
sys.addaudithook(hook)
"""
KILL = """
import os, signal, sys

left = [{moment}]

def hook(event, arguments):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.{signal})

sys.addaudithook(hook)
"""


KILL_AT_A_CLIP = """
import os, signal, sys

os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})  # one thread
opened = set()

def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".mp4"):
        opened.add(str(arguments[0]))
        if len(opened) == {number}:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
"""
KILL_EACH_ONCE = """
import atexit, os, random, signal, sys
from pathlib import Path

note = Path(".trace/killed") / "_".join(sys.orig_argv[2:])
if not note.exists():
    note.parent.mkdir(exist_ok=True)
    draw = random.Random(note.name)
    kind = draw.choice(["SIGKILL", "SIGTERM", "SIGINT"])
    whom = os.environ.get("AVSC_KILLED") or draw.choice(["stage", "stage", "stage", "all"])
    left = [draw.randint(1, 3000)]

    def kill():
        note.write_text(whom)
        send, target = (os.killpg, os.getpgid(0)) if whom == "all" else (os.kill, os.getpid())
        send(target, getattr(signal, kind))

    def hook(event, arguments):
        left[0] -= 1
        if not left[0]:
            kill()

    sys.addaudithook(hook)
    atexit.register(lambda: left[0] > 0 and kill())  # a stage of few events: when it ends
"""
GROUP = "import os, sys; os.setpgid(0, 0); os.execvp('python', ['python', *sys.argv[1:]])"


def moments(project, seed):
    """Return at which events to kill: half of them change the disk, half are any."""
    total, changes = json.loads((project.root / ".trace/moments.json").read_text())
    draw = Random(seed)
    drawn = [draw.choice(changes if i % 2 == 0 else range(1, total)) for i in range(ROUNDS)]
    return [*drawn, changes[-1]]


@pytest.mark.parametrize(
    "module",
    [pytest.param(s, marks=[] if s in KINDS else [pytest.mark.nightly]) for s in STAGES],
)
def test_a_stage_killed_at_any_moment_leaves_nothing_half_and_its_next_run_the_same_bytes(
    project, module
):
    scripts = {s: outs for s, outs in breaking.outputs(project).items() if s.split()[0] == module}
    if not scripts:
        pytest.skip(f"the toy project has no {module}")
    stage, outs = max(scripts.items())
    expected = contents(project, outs)
    forgotten(project)
    removed(project, outs)
    assert run(project, stage, COUNT).returncode == 0
    assert contents(project, outs) == expected
    codes = []
    for i, moment in enumerate(moments(project, stage)):
        forgotten(project)
        removed(project, outs)
        signal = SIGNALS[i % len(SIGNALS)]
        killed = run(project, stage, KILL.format(moment=moment, signal=signal.name))
        codes.append(killed.returncode)
        left = contents(project, outs)
        whole = {name: content for name, content in left.items() if not name.endswith(".partial")}
        if signal != Signals.SIGINT:  # which Python may see later, or not at all
            assert killed.returncode in (0, -signal)
        if killed.returncode == 0:  # threads do not always do the same: it came to its end
            assert left == expected
        if module == "synthesize":  # a folder of files, and the list of them comes last
            assert left == expected or "data/raw/demo/meta.csv" not in left
        else:
            assert whole.items() <= expected.items()
        removed(project, outs)
        again = run(project, stage)
        assert again.returncode == 0, again.stderr
        assert contents(project, outs) == expected
    assert any(codes)


def test_a_killed_decode_repeats_no_more_than_a_block_and_what_its_threads_had_in_hand(project):
    outs = breaking.outputs(project)["decode"]
    expected = contents(project, outs)
    forgotten(project)
    removed(project, outs)
    assert run(project, "decode", KILL_AT_A_CLIP.format(number=23)).returncode == -9
    done = run(project, "decode")
    assert contents(project, outs) == expected
    encoded = int(re.search(r"decode: (\d+) encoded", done.stdout)[1])
    twice = 23 + encoded - 24
    assert 0 <= twice <= making.BLOCK_CLIPS + threads.AHEAD


@pytest.mark.parametrize("killed", ["stage", "all"])
def test_a_repro_whose_stages_are_killed_ends_with_the_same_bytes(own, tmp_path, killed):
    own.edit(train__audio__fit__epochs=1)
    expected = own.copy(tmp_path / "expected")
    expected.repro("score@audio")
    breaking.fault(own, KILL_EACH_ONCE)
    found = killed_each_once(own, "score@audio", runs=3, AVSC_KILLED=killed)
    assert found == {"stages.train_audio": killed, "stages.score_audio": killed}
    assert own.lock() == expected.lock()


def killed_each_once(project, *targets, runs, **env):
    """Run `dvc repro` until it succeeds; return what was killed in each stage."""
    asked = ("python", "-c", GROUP, "-m", "dvc", "repro", "--keep-going", *targets)
    for _ in range(runs):
        done = project.run(*asked, check=False, **env)
        if done.returncode == 0:
            return {p.name: p.read_text() for p in (project.root / ".trace/killed").iterdir()}
    raise AssertionError(done.stderr)


@pytest.mark.nightly
def test_a_repro_whose_every_stage_is_killed_once_ends_with_the_same_bytes(finished, tmp_path):
    project = fresh(tmp_path / "project")
    for name in ("params.yaml", "studies.yaml"):
        (project.root / name).write_text((finished.root / name).read_text())
    features = Path("data/raw/features/sound.npz")
    (project.root / features).parent.mkdir(parents=True)
    (project.root / features).write_bytes((finished.root / features).read_bytes())
    breaking.fault(project, KILL_EACH_ONCE)
    stages = yaml.safe_load((finished.root / "dvc.lock").read_text())["stages"]
    killed = killed_each_once(project, runs=len(stages) + 1)
    assert len(killed) > len(stages) / 2
    assert set(killed.values()) == {"stage", "all"}
    assert project.lock() == finished.lock()
    assert list(project.root.rglob("data/**/*.partial")) == []
