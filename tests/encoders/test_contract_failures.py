"""What the contract tests say of encoders that break the contract, each alone."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.pipeline.project import ROOT

pytestmark = pytest.mark.slow

BROKEN = {
    "absent": "import no_such_module\n",
    "bare": "VERSION = 1\n",
    "cut": "VERSION = (\n",
}
CHECKS = "test_an_encoder_has_a_version or test_different_rows or test_output_is"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return what pytest says of three broken encoders, a faded network and a sound one."""
    root = tmp_path_factory.mktemp("project")
    for name in ("avsc", "tests/encoders", "tests/pipeline"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    for name in ("pyproject.toml", "tests/conftest.py", "tests/typechecker.py"):
        shutil.copy(ROOT / name, root / name)
    shutil.copy(ROOT / "tests/elsewhere.py", root / "tests")
    for name, text in BROKEN.items():
        (root / f"avsc/encoders/{name}.py").write_text(text)
    sound = (root / "avsc/encoders/logmel.py").read_text()
    faded = sound.replace('{"embedding": self.logmel(x)}', '{"embedding": 0 * self.logmel(x)}')
    (root / "avsc/encoders/faded.py").write_text(faded)
    names = " or ".join([*BROKEN, "faded", "logmel"])
    command = ["tests/encoders/test_contract.py", "-k", f"({CHECKS}) and ({names})", "-rA"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *command],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "COLUMNS": "300"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_sound_encoder_passes_beside_broken_ones(report):
    passed = re.findall(r"^PASSED \S+::(\w+)\[logmel", report, re.MULTILINE)
    assert set(passed) == {
        "test_an_encoder_has_a_version_that_is_a_whole_number",
        "test_different_rows_give_different_embeddings",
        "test_output_is_finite_float32_with_a_row_for_each_row",
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "No module named 'no_such_module'"),
        ("bare", "avsc/encoders/bare.py lacks TINY: the arguments of its smallest Encoder"),
        ("cut", "'(' was never closed"),
        ("faded", "embeddings of two rows of noise are equal: they differ by 0.0e+00"),
    ],
)
def test_broken_encoder_fails_its_own_tests_with_what_to_do(report, name, message):
    assert re.search(rf"^(FAILED|ERROR) \S+\[{name}", report, re.MULTILINE)
    assert message in report
