"""What stages and the command line import before they run: it is waited for each time."""

import subprocess
import sys

import pytest

HEAVY = {"dvc", "pandas", "scipy", "sklearn", "timm", "torch", "transformers"}
WITHOUT_TORCH = (
    "code", "compare", "decode", "fusion", "import_features", "index", "pretrain", "pseudo_label",
    "report", "score", "score_robustness", "score_study", "synthesize",
)  # fmt: skip


def imported(*modules: str) -> set[str]:
    """Return which heavy packages a fresh process has imported after some modules."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return HEAVY & set(done.stdout.split())


def test_stages_without_networks_import_no_torch():
    assert not imported(*(f"stages.{s}" for s in WITHOUT_TORCH)) & {"torch", "timm", "transformers"}


@pytest.mark.parametrize(
    "module", ["stages.embed", "stages.train", "avsc.prediction", "avsc.heads.logistic"]
)
def test_encoders_and_their_libraries_are_imported_when_they_are_used(module):
    assert imported(module) == {"torch"}


def test_command_line_imports_nothing_heavy():
    assert imported("avsc.cli") == set()
