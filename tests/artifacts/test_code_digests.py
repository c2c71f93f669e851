import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from avsc.artifacts.code_digests import ROOT, Sources

SOURCE = '''"""A module."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """A point."""

    x: float = 1.5

    def text(self, *, width: int = 3, **more: object) -> str:
        """Return it as text."""
        match self.x:
            case float(x) if x > 0:
                return f"{x!r:>{width}}" "\\u00e9" f"{more=}"
            case _:
                return "none"


async def total(xs):
    return sum(x async for x in xs if (y := x)) + y
'''
UNDER_EVERY_PYTHON = "b6d53d0b86b5"  # as 3.11 to 3.14 compute it


@pytest.fixture
def project(tmp_path):
    files = {
        "stages/__init__.py": "",
        "stages/train.py": "from avsc.training import loop\n",
        "avsc/__init__.py": "",
        "avsc/training/__init__.py": "",
        "avsc/training/loop.py": "from . import options\n\n\ndef fit():\n    return options.LR\n",
        "avsc/training/options.py": "LR = 0.1\n",
        "avsc/training/other.py": "LR = 0.2\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def digest(root, entry="stages/train.py"):
    return Sources(root).digest([entry])


def test_the_closure_follows_relative_and_transitive_imports_and_packages(project):
    assert Sources(project).closure("stages/train.py") == {
        "stages/__init__.py",
        "stages/train.py",
        "avsc/__init__.py",
        "avsc/training/__init__.py",
        "avsc/training/loop.py",
        "avsc/training/options.py",
    }


@pytest.mark.parametrize(
    "text",
    [
        "LR = 0.1  # of Adam\n",
        '"""Options."""\n\nLR = 0.1\n',
        "LR = (\n    0.1\n)\n",
    ],
    ids=["comment", "docstring", "layout"],
)
def test_comments_docstrings_and_layout_keep_the_digest(project, text):
    before = digest(project)
    (project / "avsc/training/options.py").write_text(text)
    assert digest(project) == before


def test_docstrings_of_functions_and_classes_keep_the_digest(project):
    path = project / "avsc/training/options.py"
    path.write_text("class A:\n    def f(self):\n        return 1\n\n\nclass B:\n    pass\n")
    before = digest(project)
    path.write_text(
        'class A:\n    """A."""\n\n    def f(self):\n        """F."""\n        return 1\n\n\n'
        'class B:\n    """B."""\n'
    )
    assert digest(project) == before


@pytest.mark.parametrize("text", ["LR = 0.2\n", "LR = '0.1'\n", "LR = 0.1\nX = 1\n", "RL = 0.1\n"])
def test_a_changed_value_or_name_moves_the_digest(project, text):
    before = digest(project)
    (project / "avsc/training/options.py").write_text(text)
    assert digest(project) != before


def test_a_module_that_is_not_imported_keeps_the_digest(project):
    before = digest(project)
    (project / "avsc/training/other.py").write_text("LR = 0.3\n")
    assert digest(project) == before


def test_an_import_inside_a_function_counts(project):
    (project / "stages/train.py").write_text("def main():\n    import avsc.training.other\n")
    before = digest(project)
    (project / "avsc/training/other.py").write_text("LR = 0.3\n")
    assert digest(project) != before


def test_the_digest_of_a_source_is_the_same_under_every_python(tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/train.py").write_text(SOURCE)
    assert digest(tmp_path) == UNDER_EVERY_PYTHON


def run(python, code, **env):
    command = [python, "-c", code]
    return subprocess.run(command, env=os.environ | env, capture_output=True, text=True)


def pythons():
    """Return other interpreters of this machine."""
    found = [shutil.which(f"python3.{m}") for m in range(11, 15) if m != sys.version_info.minor]
    return [p for p in found if p is not None and not run(p, "").returncode]


@pytest.mark.slow
@pytest.mark.parametrize("python", pythons() or [None])
def test_other_pythons_give_every_stage_the_same_digest(python, tmp_path):
    if python is None:
        pytest.skip("needs a second Python, 3.11 to 3.14")
    code = "from avsc.artifacts.code_digests import Sources; s = Sources(); "
    code += "print({n: s.digest([p]) for n, p in s.entries('stages').items()})"
    shutil.copytree(Path(yaml.__file__).parent, tmp_path / "yaml")  # of no Python in particular
    done = run(python, code, PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    assert done.returncode == 0, done.stderr
    sources = Sources()
    expected = {n: sources.digest([p]) for n, p in sources.entries("stages").items()}
    assert done.stdout.strip() == str(expected)
