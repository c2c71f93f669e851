"""docs/security.md is true: promises have tests, limits are the code's, no file runs code."""

import ast
import importlib
import math
import re

import pytest

import avsc
from tests.pipeline.project import ROOT

PAGE = (ROOT / "docs/security.md").read_text("utf-8")
SOURCES = [p for room in ("avsc", "stages", "bench") for p in sorted((ROOT / room).rglob("*.py"))]
RUNS_CODE = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
HARMLESS = {"pickle.UnpicklingError"}  # an error to be caught
CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "read_pickle",
    "extractall",
}
NEEDS = {  # what a call must say
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "read_array": ("allow_pickle", False),
    "torch.load": ("weights_only", True),
}
YAML = {"yaml.safe_load", "yaml.SafeLoader", "yaml.safe_dump", "yaml.YAMLError"}


def faults(source):
    """Return what a source has that could run the content of a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += [name for name in imported(node) if may_run(name)]
        elif isinstance(node, ast.Call):
            found += wrong_call(node)
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name.startswith("yaml.") and "oad" in name and name not in YAML:
                found.append(name)
    return found


def imported(node):
    prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    return [prefix + alias.name for alias in node.names]


def may_run(name):
    return name.split(".")[0] in RUNS_CODE and name not in HARMLESS


def wrong_call(node):
    name = ast.unparse(node.func)
    last = name.rpartition(".")[2]
    said = {k.arg: k.value for k in node.keywords}
    if name in CALLS or last in CALLS - {"eval", "exec", "compile"}:
        yield name
    for call, (key, value) in NEEDS.items():
        constant = said.get(key)
        right = isinstance(constant, ast.Constant) and constant.value is value
        if (name == call or last == call) and not right:
            yield f"{name} without {key}={value}"
    for key in ("shell", "trust_remote_code", "allow_pickle"):
        if isinstance(said.get(key), ast.Constant) and said[key].value:
            yield f"{name} with {key}=True"
    partial = name == "partial" and node.args and ast.unparse(node.args[0]) in NEEDS
    if partial and (NEEDS[ast.unparse(node.args[0])][0] not in said):
        yield f"{name} of {ast.unparse(node.args[0])}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_code_of_ours_runs_the_content_of_a_file(path):
    assert faults(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import load",
        "import joblib as j",
        "from marshal import loads",
        "import torch; torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.savez(path, allow_pickle=True)",
        "np.lib.format.read_array(file)",
        "partial(np.load, mmap_mode='r')",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "yaml.UnsafeLoader(text)",
        "eval(text)",
        "exec(text)",
        "__import__(name)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "pd.read_pickle(path)",
        "tar.extractall(path)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
    ],
)
def test_code_that_would_is_found(source):
    assert faults(source)


# the page

UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "s": 1, "px": 1, "": 1}
LIMITS = re.findall(r"^\| (.+?) \| (\d.*?) \| `([\w.]+)` \| `(\w+)` \|$", PAGE, re.MULTILINE)
NAMED = sorted(set(re.findall(r"`(test_\w+)`", PAGE)))
NIGHTLY = "pytest.mark.nightly"
IN_MAKE_TEST = {
    node.name
    for path in (ROOT / "tests").rglob("test_*.py")
    for node in ast.parse(path.read_text("utf-8")).body
    if isinstance(node, ast.FunctionDef)
    and NIGHTLY not in [ast.unparse(decorator) for decorator in node.decorator_list]
}


def stated(text):
    """Return the number that a limit of the page is, such as 8192 x 4320 px or 2^31."""
    number, unit = re.fullmatch(r"([\d x^]*\d) ?([A-Za-z]*)", text).groups()
    factors = number.replace(" x ", "*").replace(" ", "").split("*")
    return (
        math.prod(int(b) ** int(e or 1) for b, _, e in (f.partition("^") for f in factors))
        * (UNITS[unit])
    )


@pytest.mark.parametrize(("limit", "constant"), [row[1:3] for row in LIMITS])
def test_a_limit_of_the_page_is_that_of_the_code(limit, constant):
    modules = constant.split(".")
    value = avsc
    for name in modules:
        if not hasattr(value, name):
            importlib.import_module(f"{value.__name__}.{name}")
        value = getattr(value, name)
    assert stated(limit) == value


def test_every_row_of_limits_is_read():
    table = PAGE.partition("| what | refused above |")[2].partition("\n\n")[0]
    assert len(LIMITS) == len(table.splitlines()) - 2 > 20


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_the_page_names_is_in_make_test(name):
    assert name in IN_MAKE_TEST


def test_every_limit_and_promise_names_a_test():
    parts = PAGE.split("\n## ")[1:]
    silent = ("What is not promised", "Fuzzing")
    assert all("`test_" in part for part in parts if not part.startswith(silent))
