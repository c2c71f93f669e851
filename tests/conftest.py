import fcntl
import logging
import os
import secrets
import shlex
import shutil

import pytest

import tests.typechecker  # noqa: F401 (jaxtyping finds it as an attribute of `tests`)

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tensors: threads cost more than they give
os.environ.setdefault("AVSC_DEVICE", "cpu")  # tests of a GPU name it
FUZZ = ("AVSC_FUZZ_EXAMPLES", "AVSC_FUZZ_SEED")  # what damage a run does: tests/fuzz/mutations.py
SLOWEST_FIRST = (  # so that no worker begins a long file when the others are done
    "tests/pipeline/test_dvc.py",
    "tests/pipeline/test_other_data.py",
    "tests/pipeline/",
    "tests/fuzz/",
    "tests/sharing/",
    "tests/stages/test_finetune.py",
)


def pytest_addoption(parser):
    parser.addoption("--nightly", action="store_true", help="run the tests marked nightly as well")


def pytest_configure(config):
    """Let a nightly run damage many files, and others each time."""
    if config.option.nightly:
        os.environ.setdefault("AVSC_FUZZ_EXAMPLES", "10000")
        os.environ.setdefault("AVSC_FUZZ_SEED", str(secrets.randbelow(2**31)))


def pytest_report_header():
    return [f"{name}={value}" for name, value in sorted(os.environ.items()) if name in FUZZ]


def pytest_collection_modifyitems(config, items):
    """Leave out nightly tests, and begin with the slowest files; a worker takes one at a time."""
    items.sort(key=_turn)
    if config.option.nightly or "nightly" in config.option.markexpr or _names_a_test(config):
        return
    left_out = [item for item in items if item.get_closest_marker("nightly")]
    items[:] = [item for item in items if not item.get_closest_marker("nightly")]
    config.hook.pytest_deselected(items=left_out)


def _turn(item):
    matches = [i for i, start in enumerate(SLOWEST_FIRST) if item.nodeid.startswith(start)]
    return min(matches, default=len(SLOWEST_FIRST))


def _names_a_test(config):
    return any("::" in argument for argument in config.args)


def pytest_terminal_summary(terminalreporter, config):
    """Show how to run each failed test alone, and where the nightly tests are run."""
    stats = terminalreporter.stats
    failed = [report.nodeid for kind in ("failed", "error") for report in stats.get(kind, [])]
    same = [f"{name}={os.environ[name]}" for name in FUZZ if name in os.environ]
    for test in dict.fromkeys(failed):
        terminalreporter.write_line(f"to run it alone: {shlex.join([*same, 'pytest', test])}")
    if not (config.option.nightly or config.option.markexpr or _names_a_test(config)):
        terminalreporter.write_line("nightly tests are left to `make test-all` (pytest --nightly)")


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Return what makes a folder once in a run, by the worker that asks for it first."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared

    def made(name, make):
        folder, unfinished = shared / name, shared / f"{name}.unfinished"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                shutil.rmtree(unfinished, ignore_errors=True)
                make(unfinished)
                unfinished.rename(folder)
        return folder

    return made


@pytest.fixture(autouse=True)
def _our_loggers_speak():
    """Let each test hear our warnings, whatever the libraries of an earlier one switched off."""
    logging.disable(logging.NOTSET)
    logging.getLogger().setLevel(logging.WARNING)
    for name, logger in logging.root.manager.loggerDict.items():
        if name.split(".")[0] == "avsc" and isinstance(logger, logging.Logger):
            logger.disabled, logger.propagate = False, True
            logger.setLevel(logging.NOTSET)
