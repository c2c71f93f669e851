"""Files that crash or hang the library that reads them end another process, and are named."""

import sys

import numpy as np
import pytest

from avsc import importing
from avsc.artifacts import feature_process
from tests.artifacts.test_feature_files import BUS, CLIPS, npz, write_hdf5

ASKED = "import json, os, sys; json.load(sys.stdin); "
ENDLESS = """
import itertools
from avsc.artifacts import feature_files, feature_process
feature_files.arrays = lambda *_: [next(k for k in itertools.count() if k < 0)]
feature_process.main()
"""


def read(path):
    return {f.clip_id: f for f in feature_process.read(path, CLIPS)}


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i2", "u1"])
def test_arrays_arrive_as_their_file_has_them(tmp_path, dtype):
    made = {c: array.astype(dtype) for c, array in CLIPS.items()}
    found = read(write_hdf5(tmp_path / "a.h5", made))
    assert found[BUS].where == f"a.h5: /{BUS}"
    for clip_id, array in made.items():
        np.testing.assert_array_equal(found[clip_id].frames, array)
        assert found[clip_id].frames.dtype == dtype


def test_what_the_process_refuses_is_told_in_its_words(tmp_path):
    path = write_hdf5(tmp_path / "a.h5", {BUS: np.array([b"x"])})
    with pytest.raises(
        ValueError, match=rf"a.h5: /{BUS} is \|S1 of shape \(1,\); expected numbers"
    ):
        read(path)


def test_a_file_that_hangs_its_library_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_process, "COMMAND", (sys.executable, "-c", ENDLESS))
    monkeypatch.setattr(feature_process, "ARRAY_S", 0.25)
    expected = (
        r"a.npz cannot be read: it .* \(over 0.25 s of computing for one array\); it is damaged"
    )
    with pytest.raises(ValueError, match=expected):
        read(npz(tmp_path / "a.npz"))


def test_a_file_that_asks_for_too_much_memory_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_process, "MEMORY_BYTES", 2**20)
    np.savez(tmp_path / "a.npz", **{BUS: np.ones(2**20)})
    with pytest.raises(ValueError, match=r"a.npz cannot be read"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("code", "end"),
    [
        ("os.kill(os.getpid(), 11)", "by SIGSEGV"),
        ("os.kill(os.getpid(), 9)", "by SIGKILL"),
        ("os._exit(3)", "with exit code 3"),
        ("sys.stdout.write('{')", "with exit code 0"),
        ("print('gibberish')", "with exit code 0"),
        (
            "print(json.dumps({'clip_id': 'a', 'where': '', 'dtype': '<f4', 'shape': [99]}))",
            "with exit code 0",
        ),
    ],
)
def test_a_file_that_ends_its_process_is_named(tmp_path, monkeypatch, code, end):
    monkeypatch.setattr(feature_process, "COMMAND", (sys.executable, "-c", ASKED + code))
    with pytest.raises(ValueError, match=rf"a.npz cannot be read: it ended .*\({end}\).* fetch it"):
        read(npz(tmp_path / "a.npz"))


def test_an_import_outlives_a_file_on_which_hdf5_goes_round_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_process, "ARRAY_S", 0.5)
    write_hdf5(tmp_path / "a.h5", {"clip_id": [BUS], "rows": np.ones((1, 2))})
    content = bytearray((tmp_path / "a.h5").read_bytes())
    free_space = content.index(BUS.encode()) + 16  # in the heap of texts of free length
    content[free_space + 8 : free_space + 10] = bytes(2)  # it has no bytes: HDF5 2.0 looks on there
    (tmp_path / "a.h5").write_bytes(content)
    block = {"root": str(tmp_path), "files": ["a.h5"], "modality": "audio", "select": "clip"}
    with pytest.raises(ValueError, match=r"a.h5 cannot be read"):
        importing.imported(**block, clips=[BUS], varied=[], seconds=10)
