"""Clips through an encoder: alone, in company, in bfloat16, by OpenVINO, and on a GPU."""

import pickle
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from avsc import embedding, precision
from avsc.artifacts import media, results, shard
from avsc.embedding import Embedder
from avsc.encoders import ast, timm_image
from stages import embed
from tests.artifacts import toy_shards
from tests.stages import toy_clips

openvino = pytest.mark.skipif(not find_spec("openvino"), reason="needs the extra openvino")
SECONDS = {"a": 2, "b": 3, "c": 2, "d": 2, "e": 1}
EARS = {"encoder": "ast", **ast.TINY, "batch_size": 4}
EYES = toy_clips.EYES | {"batch_size": 4, "views": {"count": 3, "seed": 1}}
GPU = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
    ],
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Return a project with decoded clips of several lengths, all of the training fold."""
    folder = tmp_path_factory.mktemp("project")
    clips = {c: toy_clips.decoded(i, seconds=n) for i, (c, n) in enumerate(SECONDS.items())}
    toy_clips.write(folder / "data", dict.fromkeys(SECONDS, "train"), clips)
    return folder


@pytest.fixture
def _project(root, monkeypatch, tmp_path):
    """Return a copy of it, in which one stands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVSC_DEVICE", "cpu")
    Path("data").symlink_to(root / "data")
    return tmp_path


def encoded(block, root, *, device="cpu", **more):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AVSC_DEVICE", device)
        embedder = Embedder(block, varied={"a", "d"}, root=root / "data", **more)
        return dict(zip(SECONDS, embedder()(iter(SECONDS)), strict=True))


def of_views(block):
    return block | {"views": EYES["views"]}


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("scope", ["segment", "clip"])
@pytest.mark.parametrize("block", [EARS, EYES], ids=["ears", "eyes"])
def test_clips_that_share_batches_have_the_arrays_of_clips_alone(root, block, scope, device):
    block = of_views(block) | {"scope": scope}
    config = {"config": {**ast.TINY["config"], "max_length": 304}}  # for three seconds
    block |= config if block["encoder"] == "ast" else {}
    alone = encoded(block, root, batched=False)
    together = encoded(block, root, batched=True, device=device)
    for clip_id, arrays in alone.items():
        assert set(arrays) == set(together[clip_id])
        assert ("views" in arrays) == (clip_id in ("a", "d"))
        for name, array in arrays.items():
            np.testing.assert_allclose(
                together[clip_id][name], array, atol=1e-3 if device == "cuda" else 1e-5
            )


def test_on_a_cpu_a_clip_has_the_bits_that_it_has_alone(root):
    encoder, library = (
        embedding.create(EYES, root=root / "data"),
        media.Library(root / "data/media"),
    )
    for clip_id, arrays in encoded(EYES, root).items():
        x = embedding.rows(encoder, library.read(clip_id, embedding.ARRAYS["video"]))
        for name, expected in encoder(x).items():
            np.testing.assert_array_equal(arrays[name], expected)


def test_features_without_a_network_have_no_batches(root):
    found = encoded(of_views({"encoder": "logmel", "weights": "none"}), root, batched=True)
    assert [len(found[c]["embedding"]) for c in SECONDS] == [*SECONDS.values()]


def test_no_view_at_all_is_refused_in_batches_too(root):
    with pytest.raises(ValueError, match=r"count is 0; expected 1"):
        encoded(EYES | {"views": {"count": 0, "seed": 1}}, root, batched=True)


@pytest.mark.parametrize("batched", [False, True])
def test_damaged_weights_are_an_error_that_names_the_entry_and_the_clip(root, batched):
    embedder = Embedder(EYES, varied=(), name="eyes", root=root / "data", batched=batched)
    with torch.no_grad():
        next(embedder.encoder.model.parameters()).fill_(torch.nan)
    message = r"of clip 'a' \(embed\.eyes\) is NaN or infinite; are its weights damaged"
    with pytest.raises(ValueError, match=message):
        next(embedder()(iter(SECONDS)))


def test_an_encoder_without_a_name_is_called_by_its_kind(root):
    assert Embedder(EYES, varied=(), root=root / "data").called == "timm_image"


def run(block):
    """Run the stage, and return keys, attributes and the report."""
    Path("params.yaml").write_text(yaml.safe_dump({"executor": "local", "embed": {"eyes": block}}))
    embed.main("eyes")
    key, about = {}, {}
    for path in shard.paths(Path("data/embeddings/eyes")):
        with shard.reading(path) as s:
            key |= s.key
            about = s.about
    return key, about, results.read_table(Path("metrics/embed/eyes.csv"))[0]


def raise_version(monkeypatch):
    monkeypatch.setattr(timm_image, "VERSION", timm_image.VERSION + 1)


def write_other_weights(_):
    Path("data/weights/random").write_text("other\n")


def decode_otherwise(_):
    keyed = {
        c: (f"another key of {c}", toy_clips.decoded(0, seconds=n)) for c, n in SECONDS.items()
    }
    toy_shards.write(Path("data/media/m.h5"), keyed)


@pytest.mark.parametrize(
    ("change", "block"),
    [
        (raise_version, EYES),
        (write_other_weights, EYES),
        (decode_otherwise, EYES),
        (lambda _: None, EYES | {"input_size": 64}),
        (lambda _: None, EYES | {"views": {"count": 3, "seed": 2}}),
    ],
    ids=["version", "weights", "clips", "argument", "views"],
)
def test_all_that_arrays_are_made_of_is_part_of_their_keys(
    root, tmp_path, monkeypatch, change, block
):
    shutil.copytree(root / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    before, _, _ = run(EYES)
    change(monkeypatch)
    after, _, _ = run(block)
    assert before.keys() == after.keys() == SECONDS.keys()
    assert not set(before.values()) & set(after.values())


@pytest.mark.usefixtures("_project")
def test_bfloat16_is_a_part_of_the_key_and_reported_with_its_deviation(monkeypatch):
    monkeypatch.setattr(precision, "suits", lambda _: True)
    monkeypatch.setattr(precision, "MOST", 0.05)  # a network of four channels rounds coarsely
    plain, about, report = run(EYES)
    assert "precision" not in about
    assert (report["engine"], report["precision"]) == ("torch", "float32")
    assert report["deviation"] == ""
    key, about, report = run(EYES | {"precision": "bfloat16"})
    assert not set(key.values()) & set(plain.values())
    assert about["precision"] == report["precision"] == "bfloat16"
    assert 0 < float(report["deviation"]) < 0.05


@openvino
@pytest.mark.slow
@pytest.mark.usefixtures("_project")
def test_an_engine_is_a_part_of_the_key_and_reported_with_its_deviation():
    plain, about, _ = run(EYES)
    assert "engine" not in about
    key, about, report = run(EYES | {"engine": "openvino"})
    assert not set(key.values()) & set(plain.values())
    assert about["engine"] == report["engine"] == "openvino"
    assert report["precision"] == "float32"
    assert 0 <= float(report["deviation"]) < 1e-4


@openvino
@pytest.mark.slow
@pytest.mark.parametrize("block", [EARS, EYES], ids=["ears", "eyes"])
def test_by_openvino_a_clip_has_the_arrays_of_torch_and_its_bits_at_any_number_of_cores(
    root, monkeypatch, block
):
    block = of_views(block)
    expected, found = encoded(block, root), encoded(block | {"engine": "openvino"}, root)
    monkeypatch.setenv("AVSC_CORES", "1")
    again = encoded(block | {"engine": "openvino"}, root)
    for clip_id, arrays in expected.items():
        assert set(found[clip_id]) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_allclose(found[clip_id][name], array, rtol=1e-4, atol=1e-5)
            np.testing.assert_array_equal(again[clip_id][name], found[clip_id][name])


@openvino
def test_by_openvino_an_encoder_can_be_opened_twice_and_anew_in_another_process(root):
    embedder = Embedder(EYES | {"engine": "openvino"}, varied=(), root=root / "data")
    first, second = (next(embedder()(iter(SECONDS))) for _ in range(2))
    elsewhere = next(pickle.loads(pickle.dumps(embedder))()(iter(SECONDS)))
    for again in (second, elsewhere):
        np.testing.assert_array_equal(again["embedding"], first["embedding"])


@pytest.mark.usefixtures("_project")
def test_where_float32_runs_in_its_place_the_arrays_are_those_of_float32(monkeypatch, caplog):
    monkeypatch.setattr(precision, "suits", lambda _: True)
    monkeypatch.setattr(precision, "MOST", 0.0)
    plain, _, _ = run(EYES)
    key, about, report = run(EYES | {"precision": "bfloat16"})
    assert key == plain
    assert "precision" not in about
    assert report["precision"] == "float32"
    assert float(report["deviation"]) > 0
    assert "eyes runs in float32" in caplog.text


def test_another_process_computes_as_was_settled_here(root, monkeypatch):
    monkeypatch.setattr(precision, "suits", lambda _: False)
    embedder = Embedder(EYES | {"precision": "bfloat16"}, varied=(), root=root / "data")
    embedder.settle()
    assert pickle.loads(pickle.dumps(embedder)).how == precision.How()


def test_what_has_no_network_has_no_precision(root):
    block = {"encoder": "logmel", "weights": "none", "precision": "bfloat16", "compile": True}
    message = "embed.ears has no network, but precision and compile; drop that"
    with pytest.raises(ValueError, match=message):
        Embedder(block, varied=(), name="ears", root=root / "data").settle()


@pytest.mark.parametrize("encoder", ["logmel", "scalogram", "fbank"])
def test_encoders_follow_the_rate_at_which_clips_were_decoded(tmp_path, encoder):
    rng = np.random.default_rng(0)
    sound = rng.uniform(-0.5, 0.5, (1, 2, 32000)).astype(np.float32)
    clips = {"a": media.arrays(sound, [toy_clips.jpeg(rng)])}
    toy_clips.write(tmp_path / "data", {"a": "train"}, clips)
    block = {"encoder": encoder, "weights": "none"}
    embedder = Embedder(block, varied=(), root=tmp_path / "data")
    (found,) = embedder()(iter(["a"]))
    frames = {"logmel": 98}.get(encoder, 6)  # as many a second as at 16 kHz
    assert found["embedding"].shape[:2] == (1, frames)
    other = Embedder(block | {"sample_rate": 16000}, varied=(), root=tmp_path / "data")
    with pytest.raises(ValueError, match="is 16000, but the sound was decoded at 32000 Hz"):
        other.encoder  # noqa: B018
