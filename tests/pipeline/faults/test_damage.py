"""Files that are cut off or have a bit flipped, or hold numbers that are none."""

import io
from functools import partial

import h5py
import numpy as np
import pytest

from avsc.artifacts import shard
from tests.artifacts import toy_shards
from tests.pipeline.faults.breaking import (
    contents,
    cut,
    damaged,
    flip,
    forgotten,
    outputs,
    run,
    told,
)

pytestmark = [pytest.mark.slow, pytest.mark.fault, pytest.mark.timeout(600)]

READ = [  # a stage, a file that it reads, and of a shard the array
    ("score fused", "data/predictions/fused.parquet"),
    ("ensemble average", "data/predictions/audio.parquet"),
    ("compare average_teacher", "data/predictions/teacher.parquet"),
    ("fusion average", "data/predictions/teacher.parquet"),
    ("report", "data/predictions/audio.parquet"),
    ("train teacher", "data/pseudo_labels.parquet"),
    ("map teacher", "data/pseudo_labels.parquet"),
    ("score_study heads", "data/studies/heads/*.parquet"),
    ("score_study heads", "data/studies/heads/cells.json"),
    ("score_robustness teacher", "data/robustness/teacher/none.parquet"),
    ("score_robustness teacher", "data/robustness/teacher/disturbances.json"),
    ("robustness teacher", "data/disturbed/av/ast/*.h5", "embedding"),
    ("robustness teacher", "data/disturbed/av/convnext/disturbances.json"),
    ("robustness teacher", "data/models/teacher/weights.safetensors"),
    ("map teacher", "data/models/teacher/weights.safetensors"),
    ("map teacher", "data/models/teacher/config.json"),
    ("train audio", "data/embeddings/scalogram/*.h5", "embedding"),
    ("study heads", "data/embeddings/av/convnext/*.h5", "embedding"),
    ("pseudo_label", "data/embeddings/ast/*.h5", "logits"),
    ("embed scalogram", "data/media/*.h5", "waveform"),
    ("disturb convnext", "data/media/*.h5", "jpeg"),
    ("report", "data/media/*.h5", "jpeg"),
    ("import_features sound", "data/raw/features/sound.npz"),
    ("decode", "data/raw/demo/audio/*.wav"),
    ("decode", "data/raw/demo/video/*.mp4"),
]
CUT_OFF = [  # what has no digest: DVC alone knows of a letter that became another
    ("score fused", "data/manifest/labels_test.csv"),
    ("train fused", "data/manifest/labels_train.csv"),
    ("decode", "data/manifest/media.csv"),
    ("embed ast", "data/weights/ast.safetensors"),
    ("report", "metrics/fused.json"),
    ("report", "metrics/fused/confusion.csv"),
    ("report", "metrics/maps/teacher.csv"),
    ("report", "metrics/studies/heads.csv"),
]


def flip_in(name, content):
    """Flip a bit in an array of a shard."""
    with h5py.File(io.BytesIO(content)) as f:
        array = f[f"array/{name}"]
        last = array.id.get_chunk_info(array.id.get_num_chunks() - 1)
    at = last.byte_offset + last.size // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(
    ("stage", "pattern", "damage"),
    [
        *((stage, pattern, flip) for stage, pattern, *_ in READ if not pattern.endswith("h5")),
        *((stage, pattern, partial(flip_in, *array)) for stage, pattern, *array in READ if array),
        *((stage, pattern, cut) for stage, pattern, *_ in READ + CUT_OFF),
    ],
)
def test_a_damaged_file_is_one_error_that_names_it_and_nothing_is_scored(
    project, stage, pattern, damage
):
    forgotten(project)
    outs = outputs(project)[stage]
    path = min(project.root.glob(pattern))
    before = contents(project, outs)
    content = damaged(path, damage(path.read_bytes()))
    try:
        assert path.name in told(run(project, stage))
    finally:
        damaged(path, content)
    after = contents(project, outs)
    lists = {n: c for n, c in before.items() if n not in after and n.endswith(shard.LIST)}
    assert after | lists == before  # an extraction that fails leaves its folder without a list
    for name, listed in lists.items():
        (project.root / name).write_bytes(listed)


@pytest.mark.parametrize(
    ("stage", "path", "content"),
    [
        ("score_study heads", "data/studies/heads/cells.json", b"[" * 100_000),
        ("score_study heads", "data/studies/heads/cells.json", b'[{"cell": "early"}]'),
        ("score_study heads", "data/studies/heads/cells.json", b"\xff"),
        ("report", "metrics/fused.json", b"\xff"),
        ("report", "metrics/fused/confusion.csv", b""),
        ("report", "metrics/fused/confusion.csv", b'data,"protocol\n'),
        ("report", "metrics/fused/confusion.csv", b"data\n" + b"x" * 200_000 + b"\n"),
        ("report", "metrics/fused/confusion.csv", b"data\n\xff\n"),
    ],
)
def test_a_text_of_something_else_is_one_error_that_names_it(project, stage, path, content):
    before = damaged(project.root / path, content)
    try:
        assert path in told(run(project, stage))
    finally:
        damaged(project.root / path, before)


def test_params_that_are_cut_off_are_one_error_that_names_them(project):
    path = project.root / "params.yaml"
    content = path.read_bytes()
    damaged(path, content[: content.rindex(b":")])
    try:
        assert "params.yaml" in told(run(project, "score fused"))
    finally:
        damaged(path, content)


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize(
    ("stage", "encoder"),
    [
        ("train audio", "scalogram"),
        ("study heads", "av/ast"),
        ("robustness teacher", "av/convnext"),
    ],
)
def test_embeddings_that_are_no_numbers_are_refused_by_the_name_of_their_clip(
    project, stage, encoder, number
):
    outs = outputs(project)[stage]
    before = contents(project, outs)
    path = min((project.root / f"data/embeddings/{encoder}").glob("*.h5"))
    with shard.reading(path) as s:
        clips = {c: (s.key[c], s.clip(c)) for c in s.clip_id}
        about = {k: v for k, v in s.about.items() if k != "key" and k not in shard.ENCODING}
    clip_id = max(clips)
    clips[clip_id][1]["embedding"][0, 0] = number
    content = path.read_bytes()
    listed = path.with_name(shard.LIST)
    list_before = listed.read_bytes()
    path.unlink()
    listed.unlink()
    toy_shards.write(path, clips, about=about)
    try:
        message = told(run(project, stage))
    finally:
        damaged(path, content)
        damaged(listed, list_before)
    assert repr(clip_id) in message
    assert f"embeddings/{encoder}" in message
    assert contents(project, outs) == before


@pytest.mark.parametrize("number", [np.nan, -np.inf])
def test_imported_numbers_that_are_none_are_refused_by_the_name_of_their_clip(project, number):
    path = project.root / "data/raw/features/sound.npz"
    content = path.read_bytes()
    arrays = dict(np.load(path))
    clip_id = min(arrays)
    arrays[clip_id][1, 2] = number
    np.savez(path, **arrays)
    try:
        done = run(project, "import_features sound")
    finally:
        path.write_bytes(content)
    assert "1 of 24 clips cannot be imported" in told(done)
    assert f"{clip_id}: 1 frames with NaN or infinity" in done.stderr
