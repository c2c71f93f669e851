"""Errors of the system are not told as damage."""

import os
import resource
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from avsc.artifacts import checkpoints, manifest, models, parquet, sealed_json, shard, weights
from avsc.artifacts.damage import NotReadError

STATE = {"w": torch.ones(2)}
READERS = {  # name of a file, and what reads it
    "x.parquet": parquet.read,
    "x.csv": partial(manifest.read, columns=manifest.LABELS),
    "x.json": sealed_json.read,
    "x.h5": lambda path: shard.reading(path).__enter__(),
    "x.safetensors": weights.read,
    "x.pth": weights.read,
    "weights.safetensors": lambda path: models.read(path.parent),
    "run.safetensors": partial(checkpoints.read, made_of="a"),
}


@contextmanager
def no_file_more():
    """Let this process open no other file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a good file for each reader."""
    manifest.write(tmp_path / "x.csv", manifest.LABELS, [])
    sealed_json.write(tmp_path / "x.json", {})
    rows = {"embedding": np.ones((1, 2), np.float32)}
    shard.write(tmp_path / "x.h5", {"a": ("k", rows)}, about={}, quarantined={})
    parquet.write(tmp_path / "x.parquet", parquet.pa.table({"a": [1]}))
    weights.write(tmp_path / "x.safetensors", STATE, classes=[])
    torch.save(STATE, tmp_path / "x.pth")
    models.write(tmp_path, STATE, {})
    checkpoints.write(tmp_path / "run.safetensors", STATE, [], made_of="a")
    for name, read in READERS.items():
        read(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("name", READERS)
def test_a_process_with_too_many_open_files_is_told_so(folder, name):
    expected = r" cannot be read \(Too many open files\); its content may be good, so keep it"
    with no_file_more(), pytest.raises(NotReadError, match=expected):
        READERS[name](folder / name)


@pytest.mark.parametrize("name", READERS)
def test_a_disk_that_does_not_answer_is_told_so(folder, name):
    (folder / name).unlink()
    (folder / name).symlink_to("/proc/self/mem")  # whose first byte is an input/output error
    expected = rf"{name} cannot be read \(Input/output error\); its content may be good"
    with pytest.raises(NotReadError, match=expected):
        READERS[name](folder / name)


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_may_not_be_read_is_told_so(folder, name, monkeypatch):
    folder.chmod(0o755)
    (folder / name).chmod(0)
    monkeypatch.chdir(folder)  # whose parents another user may not enter
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(NotReadError, match=rf"{name} cannot be read \(Permission denied\)"):
            READERS[name](Path(name))
    finally:
        if root:
            os.seteuid(0)
