"""Stages that are killed, that meet a full disk, or are given damaged files."""

import re
from random import Random

import pytest

from tests.pipeline.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.fault]

OUTS = {  # of stages, apart from those that extraction resumes: see test_dvc.py
    "index": [f"data/manifest/{name}.csv" for name in ("media", "labels_train", "labels_test")],
    "pseudo_label": ["data/pseudo_labels.parquet", "metrics/pseudo_labels.json"],
    "train fused": [
        "data/models/fused",
        "data/predictions/fused.parquet",
        "metrics/fused/history.csv",
    ],
    "score fused": [
        "metrics/fused.json",
        *(
            f"metrics/fused/{table}.csv"
            for table in ("scores", "per_class", "confusion", "intervals", "calibration", "places")
        ),
    ],
}
KILLER = """
import os, signal, sys

if sys.argv[0] == "-m" and "stages." in " ".join(sys.orig_argv):
    left = [{moment}]

    def hook(event, arguments):
        mode = arguments[1] if event == "open" else ""
        if isinstance(mode, str) and "w" in mode or event == "os.rename":
            path = os.path.relpath(os.fspath(arguments[0]))
            if path.startswith(("data/", "metrics/")):
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
"""
FULL = """
import resource, sys

if sys.argv[0] == "-m" and "stages." in " ".join(sys.orig_argv):
    import avsc.artifacts.whole as whole
    write = whole.write

    def onto_a_full_disk(path, content):
        resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, resource.RLIM_INFINITY))
        try:
            write(path, content)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)

    whole.write = onto_a_full_disk
"""


@pytest.fixture(scope="module")
def project(reproduced, tmp_path_factory) -> Project:
    return reproduced.copy(tmp_path_factory.mktemp("faults") / "project")


@pytest.fixture(autouse=True)
def quiet(project):
    yield
    project.root.joinpath(".trace/sitecustomize.py").write_text("")


def run(project, stage, trace=""):
    project.root.joinpath(".trace/sitecustomize.py").write_text(trace)
    module, *arguments = stage.split()
    return project.run("python", "-m", f"stages.{module}", *arguments, check=False)


def contents(project, outs):
    """Return the files of outputs, and what a run has left beside them."""
    found = [project.root / out for out in outs]
    files = [f for p in found for f in (*p.parent.glob(f"{p.name}*"), *p.rglob("*")) if f.is_file()]
    return {f.relative_to(project.root).as_posix(): f.read_bytes() for f in sorted(files)}


def removed(project, outs):
    """Remove outputs, as DVC does before it runs a stage."""
    for name in contents(project, outs):
        (project.root / name).unlink()


def told(done):
    """Return the error of a stage: one message, and no traceback."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    message, *more = re.findall(r"^error: (.*)$", done.stderr, re.MULTILINE)
    assert not more
    return message


# killed


@pytest.mark.parametrize("stage", OUTS)
def test_a_stage_killed_at_any_write_leaves_nothing_half_and_its_next_run_the_same_bytes(
    project, stage
):
    expected = contents(project, OUTS[stage])
    writes = 2 * len(expected)  # each file is opened under another name, then renamed
    for moment in sorted({*Random(stage).choices(range(1, writes), k=2), writes}):
        removed(project, OUTS[stage])
        killed = run(project, stage, KILLER.format(moment=moment))
        assert killed.returncode == -9
        left = contents(project, OUTS[stage])
        whole = {name: content for name, content in left.items() if not name.endswith(".partial")}
        assert len(whole) == (moment - 1) // 2
        assert whole.items() <= expected.items()
    assert run(project, stage).returncode == 0
    assert contents(project, OUTS[stage]) == expected


# full disk


@pytest.mark.parametrize("stage", OUTS)
def test_a_full_disk_is_one_error_that_names_the_file_and_leaves_none(project, stage):
    expected = contents(project, OUTS[stage])
    removed(project, OUTS[stage])
    message = told(run(project, stage, FULL.format(room=40)))
    assert re.match(
        r"(data|metrics)/.* could not be written \(File too large\), expected room", message
    )
    assert contents(project, OUTS[stage]) == {}
    assert run(project, stage).returncode == 0
    assert contents(project, OUTS[stage]) == expected


def test_an_extraction_that_fills_the_disk_keeps_its_blocks_and_goes_on_from_them(toy, tmp_path):
    toy.edit(embed__scalogram__eps=0.01)
    other = toy.copy(tmp_path / "other")
    assert run(other, "embed scalogram").returncode == 0
    out = "data/embeddings/scalogram"
    expected = contents(other, [out])
    room = max(map(len, expected.values())) - 1
    message = told(run(toy, "embed scalogram", FULL.format(room=room)))
    assert ".h5 could not be written (File too large)" in message
    assert not set(contents(toy, [out])) & {n for n, c in expected.items() if len(c) > room}
    again = run(toy, "embed scalogram")
    assert "embed scalogram: 0 encoded" in again.stdout
    assert contents(toy, [out]) == expected


# damaged


def flip(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3 - 1]


def damaged(path, damage):
    content = path.read_bytes()
    path.unlink()  # it may be a hard link into the cache
    path.write_bytes(damage(content))
    return content


@pytest.mark.parametrize(
    ("stage", "pattern", "damage"),
    [
        ("score fused", "data/predictions/fused.parquet", flip),
        ("score fused", "data/predictions/fused.parquet", cut),
        ("train teacher", "data/pseudo_labels.parquet", flip),
        ("train audio", "data/embeddings/scalogram/*.h5", flip),
        ("train audio", "data/embeddings/scalogram/*.h5", cut),
        ("map teacher", "data/models/teacher/weights.safetensors", flip),
        ("map teacher", "data/models/teacher/weights.safetensors", cut),
        ("map teacher", "data/models/teacher/config.json", flip),
    ],
)
def test_a_damaged_file_is_one_error_that_names_it_and_changes_nothing(
    project, stage, pattern, damage
):
    path = min(project.root.glob(pattern))
    before = contents(project, ["metrics", *OUTS["score fused"]])
    content = damaged(path, damage)
    try:
        assert path.name in told(run(project, stage))
        assert contents(project, ["metrics", *OUTS["score fused"]]) == before
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("stage", "name", "message"),
    [
        ("score fused", "data/manifest/labels_test.csv", "cut off in its last line"),
        ("train fused", "data/manifest/labels_train.csv", "cut off in its last line"),
        ("decode", "data/manifest/media.csv", "expected [0-9a-f]{64}|cut off in its last line"),
        ("score fused", "params.yaml", "params.yaml"),
    ],
)
def test_a_text_cut_off_is_one_error_that_names_it(project, stage, name, message):
    path = project.root / name
    end = path.read_text().rindex("decode:") + 12 if name == "params.yaml" else -5
    content = damaged(path, lambda whole: whole[:end])
    try:
        told_of = told(run(project, stage))
        assert path.name in told_of
        assert any(part in told_of for part in message.split("|"))
    finally:
        path.write_bytes(content)


def test_media_and_their_shards_that_are_damaged_are_never_encoded(toy):
    toy.edit(decode__short_side_px=40, embed__scalogram__eps=0.01)  # or nothing would be read
    path = min((toy.root / "data/media").glob("*.h5"))
    content = damaged(path, flip)
    assert path.name in told(run(toy, "embed scalogram"))
    path.write_bytes(content)
    for pattern in ("audio/*.wav", "video/*.mp4"):
        path = min((toy.root / "data/raw/demo").glob(pattern))
        content = damaged(path, flip)
        expected = f"{path.name} has changed since it was indexed; run `dvc repro -f index`"
        assert expected in told(run(toy, "decode"))
        path.write_bytes(content)
