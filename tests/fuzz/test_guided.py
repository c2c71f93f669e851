"""Coverage-guided fuzzing of every reader, and of one with a fault, in which it must be found."""

import importlib.util
import subprocess
import sys

import pytest

from tests.fuzz.mutations import EXAMPLES
from tests.fuzz.targets import TARGETS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(
        importlib.util.find_spec("atheris") is None,
        reason="atheris has wheels for Linux on x86_64 and Python before 3.14 alone",
    ),
]
RUNS = EXAMPLES // 4  # files of a cheap reader, those of mutations.py not counted


def guided(keep, *readers, runs):
    command = [sys.executable, "-m", "tests.fuzz.guided", *readers, "--keep", str(keep)]
    return subprocess.run([*command, "--runs", str(runs)], capture_output=True, text=True)


@pytest.mark.nightly
def test_only_documented_errors_come_out_of_any_reader(tmp_path):
    done = guided(tmp_path, runs=RUNS)
    assert done.returncode == 0, done.stderr[-5000:]
    logs = {path.stem: path.read_text(errors="replace") for path in tmp_path.glob("*.log")}
    assert logs.keys() == TARGETS.keys() - {"planted"}
    assert all("DONE" in log for log in logs.values())


def test_a_fault_behind_six_conditions_is_found_and_its_file_kept(tmp_path):
    done = guided(tmp_path, "planted", runs=100_000)
    assert done.returncode == 1
    assert "KeyError: 'planted'" in done.stderr
    assert "undocumented: planted" in done.stderr
    (kept,) = tmp_path.glob("planted-crash-*")
    assert [byte % 16 for byte in kept.read_bytes()[:6]] == [3, 4, 5, 6, 7, 8]
