"""Encoders tuned on a made-up set: rows, scopes, labels, precision, and what is refused."""

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState

from avsc import embedding, finetuning, precision
from avsc.artifacts import manifest, pseudo_labels
from avsc.artifacts import weights as weights_file
from avsc.encoders import transformers_audio
from tests.stages.toy_scenes import BLOCK, EARS, EYES, FIT, NOTHING, SECONDS, TWO, made_up

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with decoded clips and labels, and no weights but random ones."""
    root = tmp_path_factory.mktemp("tuned")
    made_up(root, train=64, val=24)
    (root / "data/weights").mkdir()
    (root / "data/weights/random").write_text("random\n")
    return root


@pytest.fixture
def here(project, monkeypatch):
    monkeypatch.setenv("AVSC_DEVICE", "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a stage
    yield project
    torch.set_num_threads(threads)


def tuned(here, **changes):
    """Tune for one epoch."""
    block = BLOCK | changes
    block["fit"] = FIT | {"epochs": 1} | changes.get("fit", {})
    checkpoint = here / ".avsc/finetune/other.safetensors"
    checkpoint.unlink(missing_ok=True)
    return finetuning.tune(block, seed=1, checkpoint=checkpoint, root=here / "data")


def test_a_row_is_a_second_of_a_clip_its_own_picture_its_own_label(here):
    encoders = {m: embedding.create(b, root=here / "data") for m, b in TWO.items()}
    clips = finetuning.Clips(encoders, root=here / "data", threads=2)
    val = clips.rows("val", labels="none")
    assert val.targets.tolist() == [i % 2 for i in range(24) for _ in range(SECONDS)]
    wanted = [(7, 1), (3, 0), (7, 0)]  # clip and second
    for (i, k), row in zip(wanted, val.read(SECONDS * i + k for i, k in wanted), strict=True):
        clip = clips.library.read(f"val{i}", ())
        for m, encoder in encoders.items():
            whole = encoder.prepare(embedding.rows(encoder, clip))
            torch.testing.assert_close(row[m], whole[k])
            assert not torch.equal(whole[k], whole[1 - k])


def test_an_encoder_that_is_frozen_keeps_its_weights_and_the_other_does_not(here):
    done = tuned(here, fit={"freeze": ["audio"]})
    for m, block in TWO.items():
        before = embedding.create(block, root=here / "data").model.state_dict()
        same = [torch.equal(value, done.weights[m][name]) for name, value in before.items()]
        assert all(same) == (m == "audio")
    assert done.classes == {"audio": EARS["classes"], "video": EYES["classes"]}


def test_rows_may_be_whole_clips(here):
    audio, video = EARS | {"scope": "clip"}, EYES | {"scope": "clip"}
    done = tuned(here, audio=audio, video=video)
    assert np.isfinite(done.history[0]["val_loss"])
    with pytest.raises(ValueError, match="have scopes clip and segment, so their rows"):
        tuned(here, audio=audio)


def test_a_head_learns_from_pseudo_labels_of_the_training_fold_alone(here):
    labels = manifest.read(here / "data/manifest/labels_train.csv", manifest.LABELS)
    ids = [r["clip_id"] for r in labels if r["split"] == "train" for _ in range(SECONDS)]
    seconds = [k % SECONDS for k in range(len(ids))]
    kinds = {"events": ["bell", "horn"], "objects": ["tree", "car"]}
    found = {k: [[names[0]]] * len(ids) for k, names in kinds.items()}
    pseudo_labels.write(here / "data/pseudo_labels.parquet", ids, seconds, found, kinds)
    small = {"k": 1, "width": 8, "heads": 2, "head_dim": 4}
    done = tuned(here, labels="pseudo_labels.parquet", head="ceoa_sf", hparams=small)
    rows = done.history
    assert rows[0]["train_loss"] > 2 * rows[0]["val_loss"]  # which is of the scenes alone


def test_what_hears_the_waveform_is_tuned_alike_whatever_numpy_draws(here):
    config = transformers_audio.TINY["config"] | {"mask_time_prob": 0.9, "layerdrop": 0.9}
    ears = {"encoder": "transformers_audio", "weights": "random", "config": config}
    np.random.seed(1)  # noqa: NPY002 (the global one)
    one = tuned(here, audio=ears)
    np.random.seed(2)  # noqa: NPY002
    same = tuned(here, audio=ears)
    assert one.history == same.history
    assert one.classes["audio"] == []
    before = embedding.create(ears, root=here / "data").model.state_dict()
    assert one.weights["audio"].keys() == before.keys()
    assert not any(torch.equal(v, before[k]) for k, v in one.weights["audio"].items() if v.ndim > 1)
    path = here / "data/weights/ears.safetensors"
    weights_file.write(path, one.weights["audio"], classes=[])
    again = embedding.create(ears | {"weights": path.name}, root=here / "data").model.state_dict()
    assert all(torch.equal(value, again[k]) for k, value in one.weights["audio"].items())


def test_bfloat16_gives_other_bits_and_much_the_same_loss(here, monkeypatch):
    monkeypatch.setattr(precision, "suits", lambda _: True)
    plain = tuned(here).history[0]
    AcceleratorState._reset_state(reset_partial_state=True)
    half = tuned(here, fit={"precision": "bfloat16"}).history[0]
    AcceleratorState._reset_state(reset_partial_state=True)
    assert half["val_loss"] != plain["val_loss"]
    assert half["val_loss"] == pytest.approx(plain["val_loss"], abs=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("asked", ["float32", "bfloat16"])
def test_a_gpu_tunes_to_much_the_same_loss(here, monkeypatch, asked):
    expected = tuned(here).history[0]
    AcceleratorState._reset_state(reset_partial_state=True)
    monkeypatch.setenv("AVSC_DEVICE", "cuda")
    found = tuned(here, fit={"precision": asked}).history[0]
    AcceleratorState._reset_state(reset_partial_state=True)
    assert found["val_loss"] == pytest.approx(expected["val_loss"], abs=0.05)


def test_a_machine_that_is_slower_in_bfloat16_tunes_in_float32_and_says_so(
    here, monkeypatch, caplog
):
    monkeypatch.setattr(precision, "suits", lambda _: False)
    plain, half = tuned(here), tuned(here, fit={"precision": "bfloat16"})
    assert half.history == plain.history
    assert "fine-tuning runs in float32: cpu is neither a GPU that knows bfloat16" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"audio": {"encoder": "scalogram", "weights": "none"}},
            "audio has encoder: scalogram, which has no weights that could be trained; take a netw",
        ),
        ({"audio": EYES}, "audio has encoder: timm_image, which is of video"),
        ({"audio": NOTHING, "video": NOTHING}, "audio and video both have encoder: none; name the"),
        ({"head": "logistic", "hparams": {}}, "head logistic is solved without gradients"),
        ({"fit": {"freeze": ["audio", "video"]}}, "no encoder is left to train"),
        ({"fit": {"lr": 1e9, "clip_norm": 0.0}}, r"_loss is nan in epoch 0; lower fit.lr"),
    ],
)
def test_what_cannot_be_tuned_is_refused_by_name(here, changes, message):
    with pytest.raises(ValueError, match=message):
        tuned(here, **changes)


@pytest.mark.parametrize("where", ["fit", "hparams", "audio"])
def test_an_argument_that_nobody_takes_is_refused_by_name(here, where):
    with pytest.raises(TypeError, match="sped"):
        tuned(here, **{where: BLOCK[where] | {"sped": 1}})


def test_weights_that_are_not_there_are_named(here):
    with pytest.raises(
        FileNotFoundError, match=r"no weights at .*absent.safetensors; run `dvc repro` if"
    ):
        tuned(here, audio=EARS | {"weights": "absent.safetensors"})


def test_of_several_gpus_the_one_that_is_named_is_trained_on(here, monkeypatch):
    taken = []
    monkeypatch.setattr(finetuning, "device", lambda: "cuda:1")
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    with pytest.raises(FileNotFoundError):
        tuned(here, audio=EARS | {"weights": "absent.safetensors"})
    assert taken == ["cuda:1"]


def test_a_fold_without_clips_or_without_a_scene_is_refused(here):
    path = here / "data/manifest/labels_train.csv"
    whole = path.read_bytes()
    labels = manifest.read(path, manifest.LABELS)
    for left, message in (
        ([r for r in labels if r["split"] == "train"], "no clip of the val fold is decoded"),
        (
            [r for r in labels if r["split"] == "val" or r["scene_label"] == "bus"],
            r"the training fold has no row of classes \[1\] of 2",
        ),
    ):
        manifest.write(path, manifest.LABELS, left)
        with pytest.raises(ValueError, match=message):
            tuned(here)
    path.write_bytes(whole)
