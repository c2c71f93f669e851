"""Extraction on a Ray cluster."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from avsc.artifacts import extraction
from avsc.artifacts.extraction import chunk, extract, key_of
from avsc.executors import create
from tests.pipeline.encoding import Encoding, until
from tests.pipeline.project import ROOT
from tests.pipeline.ray_nodes import NODE, processes_of

pytestmark = [pytest.mark.slow, pytest.mark.fault]

IDS = [f"clip{i:02d}" for i in range(96)]
KEYS = {clip_id: key_of(clip_id) for clip_id in IDS}
BLOCK = 8


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(extraction, "chunk", partial(chunk, size=16))
    return tmp_path


@pytest.fixture
def encoding(project):
    return partial(Encoding, project / "log")


def on(cluster, **keys):
    return create({"name": "ray", "address": cluster.address, "gpus": 0} | keys)


def contents(directory):
    return {p.name: p.read_bytes() for p in directory.iterdir()}


def made_here(project):
    out = Path("here/x")  # a folder's list of shards holds its name
    extract(out, KEYS, Encoding(project / "log of here"), about={"made_by": "test"})
    return contents(out)


def test_a_node_that_dies_midway_costs_a_block_and_not_a_byte(cluster, encoding, project, caplog):
    third = cluster.add_node(num_cpus=1, **NODE)
    encoder = encoding(stays=third.node_id)

    def kill():
        until(lambda: (project / "log").exists() and encoder.has_come_far())
        cluster.remove_node(third, allow_graceful=False)

    killing = Thread(target=kill)
    killing.start()
    out = Path("data/x")
    tally = extract(out, KEYS, encoder, about={"made_by": "test"}, execute=on(cluster))
    killing.join()
    assert contents(out) == made_here(project)
    assert tally.encoded + tally.resumed == len(IDS)
    twice = len(encoder.clips()) - len(set(encoder.clips()))
    assert 1 <= twice <= BLOCK
    assert "a worker was lost, and shard" in caplog.text
    assert {line.node for line in encoder.lines()} > {third.node_id}
    assert not [*Path(".avsc").rglob("under_way/*")]


def test_each_worker_has_a_gpu_and_its_cores_and_one_shard_at_a_time(cluster, encoding, project):
    encoder = encoding(meet=2)
    execute = create({"name": "ray", "address": cluster.address})
    tally = extract(Path("x"), KEYS, encoder, about={"made_by": "test"}, execute=execute)
    assert tally.encoded == len(IDS)
    assert contents(Path("x")) == made_here(project)
    opened = [x for x in encoder.lines() if x.what == "opened"]
    assert sorted(x.gpus for x in opened) == ["0", "1"]
    assert {x.cores for x in opened} == {"1"}
    assert {x.cwd for x in opened} == {str(project)}
    begun, shards = encoder.clips(), [set(s) for s in chunk(KEYS, size=16)]
    in_flight = [
        sum(bool(s & {*begun[:i]}) and not s <= {*begun[:i]} for s in shards)
        for i in range(len(begun))
    ]
    assert len(shards) > max(in_flight) == 2


def test_a_clip_that_kills_its_worker_ends_the_run_and_is_named(cluster, encoding, caplog):
    encoder = encoding(kills="clip20")
    shard = next([*s] for s in chunk(KEYS, size=16) if "clip20" in s)
    run = partial(extract, Path("x"), KEYS, about={}, execute=on(cluster, workers=1))
    with pytest.raises(
        Exception, match=rf"shard \w+.h5 \({len(shard)} clips, the first '{shard[0]}'.*lost 3 times"
    ):
        run(encoder)
    assert encoder.clips().count("clip20") == 3
    caplog.clear()
    tally = run(encoding())
    assert caplog.messages[0].endswith(": clip20")
    assert tally.encoded == len(shard) - shard.index("clip20") // BLOCK * BLOCK
    assert tally.encoded + tally.resumed == len(IDS)


def test_an_error_of_the_encoder_is_the_error_that_it_is_here(cluster, encoding):
    caught = []
    for execute in (on(cluster, workers=1), create("local")):
        with pytest.raises(ValueError, match="embedding of clip 'clip03' is NaN") as info:
            extract(Path("x"), KEYS, encoding(refused="clip03"), about={}, execute=execute)
        caught.append(info.value)
    there, here = caught
    assert (type(there), there.args, there.__notes__) == (type(here), here.args, here.__notes__)
    assert there.__suppress_context__


@pytest.mark.nightly
def test_a_worker_that_dies_while_it_opens_is_not_started_for_ever(cluster, encoding):
    with pytest.raises(Exception, match="3 workers ended before they were open; has every node"):
        extract(
            Path("x"), KEYS, encoding(kills="opening"), about={}, execute=on(cluster, workers=1)
        )


def test_a_node_that_does_not_see_the_project_is_named(cluster, encoding, project, monkeypatch):
    from contextlib import nullcontext

    import avsc.executors.ray as executor

    monkeypatch.setattr(executor, "token", lambda: nullcontext(".avsc/elsewhere"))
    with pytest.raises(executor.ClusterError, match=rf"node \S+ does not see {project}, where"):
        extract(Path("x"), KEYS, encoding(), about={}, execute=on(cluster, workers=1))


@pytest.mark.nightly
def test_a_cluster_that_never_has_room_ends_the_run(cluster, encoding, monkeypatch):
    import avsc.executors.ray as executor
    from avsc.executors._cluster import Share

    monkeypatch.setattr(executor, "PATIENCE_S", 0.1)
    execute = on(cluster)
    execute.share = lambda _nodes: Share(workers=1, cpus=1000, gpus=0)
    with pytest.raises(executor.ClusterError, match=r"no worker could be started in 0.1 s"):
        extract(Path("x"), KEYS, encoding(), about={}, execute=execute)


def test_run_whose_own_node_dies_says_so_and_the_next_one_goes_on(project):
    folder = tempfile.mkdtemp(prefix="ray")

    def run(*last):
        command = [sys.executable, "-m", "tests.pipeline.on_ray", str(project / "log"), *last]
        env = os.environ | {"RAY_TMPDIR": folder}
        return subprocess.run(command, env=env, capture_output=True, text=True)

    failed = run("clip20")
    assert failed.returncode == 1
    assert (
        "error: Ray's process of this node (raylet) was ended by another program" in failed.stderr
    )
    assert "run again, which goes on from the finished blocks" in failed.stderr
    again = run()
    assert again.returncode == 0, again.stderr
    assert re.fullmatch(r"\d+ encoded, 0 kept, 0 taken over, [1-9]\d* resumed, .*", again.stdout)
    shutil.rmtree(folder)


def test_the_stages_give_the_bytes_of_local_and_the_switch_reruns_nothing(
    cluster, toy, monkeypatch
):
    folder = Path(tempfile.mkdtemp(prefix="ray"))
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    outs = [
        toy.root / "data" / out for out in ("media", "embeddings/convnext", "disturbed/convnext")
    ]
    expected = [contents(out) for out in outs]
    shared_out = {"name": "ray", "address": cluster.address, "gpus": 0, "workers": 2}
    toy.edit(executor=shared_out)
    assert toy.repro().stages == []
    for gone in (*outs, toy.root / ".avsc", toy.root / ".dvc/cache"):
        shutil.rmtree(gone)
    decoded = toy.run("python", "-m", "stages.decode").stdout
    toy.edit(executor="ray")  # on this machine alone
    embedded = toy.run("python", "-m", "stages.embed", "convnext").stdout
    assert not processes_of(folder)
    toy.edit(executor=shared_out)
    disturbed = toy.run("python", "-m", "stages.disturb", "convnext").stdout
    assert "decode: 24 encoded" in decoded
    assert "embed convnext: 24 encoded" in embedded
    assert "disturb convnext: 6 encoded" in disturbed
    assert [contents(out) for out in outs] == expected
    shutil.rmtree(folder)
