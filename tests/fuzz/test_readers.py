"""Further readers: of any damage only the documented errors come out, and nothing untrue."""

import subprocess
import sys
from random import Random

import pytest

from tests.fuzz.mutations import TEXT, cases, number_of_cases
from tests.fuzz.targets import TARGETS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200, method="thread")]


SHARES = {  # of the cases of a reader; those of features are one reader of five kinds of files
    "submission": 1.0,
    "disturbances": 1.0,
    "metrics_json": 0.5,
    "metrics_csv": 0.5,
    "archive": 1.0,
    "features_npz": 0.2,
    "features_npy": 0.2,
    "features_csv": 0.1,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("readers")


def made(root, name):
    """Return where the damaged file of a reader goes, and its valid ones, made once."""
    target = TARGETS[name]
    folder = root / name
    if not folder.exists():
        folder.mkdir()
        (folder / target.file).parent.mkdir(exist_ok=True)
        SEEDS[name] = target.make(folder)
    return folder / target.file, SEEDS[name]


SEEDS = {}


@pytest.mark.parametrize("name", sorted(TARGETS.keys() - {"planted"}))
def test_a_valid_file_of_every_reader_is_read(root, name):
    path, seeds = made(root, name)
    path.write_bytes(seeds[0])
    TARGETS[name].read(path)


def damaged(name):
    @cases(TEXT, share=SHARES[name])
    def check(root, damage, seed):
        path, seeds = made(root, name)
        rng = Random(seed)
        path.write_bytes(damage(rng.choice(seeds), rng.choice(seeds), rng))
        TARGETS[name].check(path)

    return check


@pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file:UserWarning")
@pytest.mark.parametrize("name", SHARES)
def test_of_a_damaged_file_only_documented_errors_come(root, name):
    damaged(name)(root)


@pytest.mark.parametrize(("name", "share"), [("features_hdf5", 0.3), ("features_parquet", 0.2)])
def test_a_file_that_crashes_or_hangs_its_library_is_an_error_that_names_it(name, share):
    runs = str(number_of_cases(share))
    command = [sys.executable, "-m", "tests.fuzz.rounds", name, "--runs", runs]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
