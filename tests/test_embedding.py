"""Where an encoder's parameters come from: files, folders and the hub's cache, never a network."""

import hashlib
import json

import huggingface_hub.constants
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from transformers import (
    ASTConfig,
    ASTForAudioClassification,
    ClapAudioConfig,
    ClapAudioModelWithProjection,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForPreTraining,
)

from avsc import embedding
from avsc.artifacts import metrics
from avsc.artifacts import weights as weights_file
from avsc.encoders import ast, clap, timm_image, transformers_audio

COMMIT, OTHER = "0123456789abcdef" * 2 + "01234567", "f" * 40
CARD = "---\nlicense: bsd-3-clause\ntags: [audio]\n---\n# A small AST\n"
SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 2, 16000)).astype(np.float32)
PICTURES = np.random.default_rng(0).integers(0, 256, (2, 1, 40, 50, 3), dtype=np.uint8)
TIMM = "convnext_atto.d2_in1k"
KWARGS = {"depths": [1, 1, 1, 1], "dims": [4, 8, 12, 16]}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """Return the hub's cache, empty, on a machine without network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def snapshot(cache, repository, commit=COMMIT, *, branch=None):
    """Return the folder of a commit of a repository, in the cache's layout."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    if branch:
        (folder / "refs" / branch).write_text(commit)
    (folder / "snapshots" / commit).mkdir(parents=True)
    return folder / "snapshots" / commit


def small_ast(seed=0):
    torch.manual_seed(seed)
    labels = {0: "bell", 1: "horn", 2: "wind"}
    return ASTForAudioClassification(ASTConfig(**ast.TINY["config"], id2label=labels)).eval()


def small_timm(seed=0):
    torch.manual_seed(seed)
    return timm.create_model("convnext_atto", **KWARGS).eval()


def save_timm(net, folder):
    timm.models.save_for_hf(net, folder, model_args=KWARGS, safe_serialization=True)
    return folder


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def state_of(net):
    return weights_file.state_digest(net.state_dict())


def ast_block(**more):
    return {"encoder": "ast", "weights": "pretrained", "name": "MIT/small", **more}


def timm_block(**more):
    return {
        "encoder": "timm_image",
        "weights": "pretrained",
        "name": TIMM,
        "input_size": 32,
        **more,
    }


def test_an_ast_in_the_hubs_cache_is_loaded_by_name_and_commit(cache):
    net, other = small_ast(), small_ast(seed=1)
    net.save_pretrained(snapshot(cache, "MIT/small"))
    (cache / f"models--MIT--small/snapshots/{COMMIT}/README.md").write_text(CARD)
    other.save_pretrained(snapshot(cache, "MIT/small", OTHER, branch="main"))
    block = ast_block(revision=COMMIT)
    encoder = embedding.create(block)
    assert encoder.classes == ["bell", "horn", "wind"]
    assert embedding.provenance(encoder, block) == {
        "encoder": "ast",
        "weights": "pretrained",
        "name": "MIT/small",
        "revision": COMMIT,
        "licence": "bsd-3-clause",
        "file_sha256": sha256(cache / f"models--MIT--small/snapshots/{COMMIT}/model.safetensors"),
        "state_sha256": state_of(net),
        "parameters": sum(p.numel() for p in net.parameters()),
    }


def small_clap(**more):
    torch.manual_seed(0)
    return ClapAudioModelWithProjection(ClapAudioConfig(**clap.TINY["config"], **more)).eval()


def tower_of(net):
    return {k: v for k, v in net.state_dict().items() if k.startswith("audio_model.")}


def test_a_clap_in_the_hubs_cache_is_loaded_by_name_and_commit(cache):
    net, block = small_clap(), {"encoder": "clap", "weights": "pretrained", "name": "laion/small"}
    net.save_pretrained(snapshot(cache, "laion/small"))
    (cache / f"models--laion--small/snapshots/{COMMIT}/README.md").write_text(CARD)
    with pytest.raises(FileNotFoundError, match="no pretrained 'laion/small' on this machine and"):
        embedding.create(block)
    block["revision"] = COMMIT
    found = embedding.provenance(embedding.create(block), block)
    assert (found["name"], found["revision"]) == ("laion/small", COMMIT)
    assert found["licence"] == "bsd-3-clause"
    assert found["state_sha256"] == weights_file.state_digest(tower_of(net))
    assert found["parameters"] == sum(p.numel() for p in net.audio_model.parameters())


def test_quantized_tensors_of_a_checkpoint_are_refused(cache):
    folder = snapshot(cache, "MIT/small", branch="main")
    net = small_ast()
    net.save_pretrained(folder)
    path = folder / "model.safetensors"
    state = {
        k: v.to(torch.int8) if k.endswith("weight") else v for k, v in net.state_dict().items()
    }
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"model\.safetensors: .* is I8 \(.*\); .* not quantized"):
        embedding.create(ast_block())


def test_weights_that_are_no_text_are_refused():
    with pytest.raises(ValueError, match="weights of ast is 5, expected a name in data/weights/"):
        embedding.create({"encoder": "ast", "weights": 5})


def test_a_fused_clap_is_refused_by_the_name_of_its_repository(cache):
    net = small_clap(enable_fusion=True, fusion_type="channel_map")
    net.save_pretrained(snapshot(cache, "laion/fused", branch="main"))
    with pytest.raises(ValueError, match=r"(^|\()laion/fused is a fused CLAP"):
        embedding.create({"encoder": "clap", "weights": "pretrained", "name": "laion/fused"})


def test_a_clap_in_a_file_of_data_weights_is_loaded_by_name_and_digest(tmp_path):
    net, path = small_clap(), tmp_path / "weights/own.safetensors"
    weights_file.write(path, net.state_dict(), classes=[])
    block = {"encoder": "clap", "weights": path.name, "sha256": sha256(path)}
    block |= {"config": clap.TINY["config"], "sample_rate": 16000}
    encoder = embedding.create(block, root=tmp_path)
    found = embedding.provenance(encoder, block, root=tmp_path)
    assert found["file_sha256"] == block["sha256"]
    assert found["state_sha256"] == weights_file.state_digest(tower_of(net))
    assert set(encoder(SOUND)) == {"embedding"}


def small_ears(folder, **extractor):
    """Save a wav2vec 2.0 with what trained it, and return it."""
    torch.manual_seed(0)
    small = {"codevector_dim": 4, "num_codevectors_per_group": 4, "proj_codevector_dim": 4}
    config = Wav2Vec2Config(**transformers_audio.TINY["config"], **small)
    net = Wav2Vec2ForPreTraining(config).eval()
    net.save_pretrained(folder)
    if extractor:
        Wav2Vec2FeatureExtractor(**extractor).save_pretrained(folder)
    return net


def ears_block(**more):
    return {"encoder": "transformers_audio", "weights": "pretrained", "name": "ears/small", **more}


def body_of(net):
    """Return the body's tensors without the vector that stands for masked frames."""
    found = {k: v for k, v in net.state_dict().items() if k.startswith("wav2vec2.")}
    del found["wav2vec2.masked_spec_embed"]
    return found


def test_what_hears_the_waveform_is_loaded_from_the_hubs_cache_by_name_and_commit(cache):
    folder = snapshot(cache, "ears/small")
    net = small_ears(folder, do_normalize=False)
    (folder / "README.md").write_text(CARD)
    with pytest.raises(FileNotFoundError, match="no pretrained 'ears/small' on this machine and n"):
        embedding.create(ears_block())
    encoder = embedding.create(ears_block(revision=COMMIT))
    assert not encoder.normalise
    assert embedding.provenance(encoder, ears_block(revision=COMMIT)) == {
        "encoder": "transformers_audio",
        "weights": "pretrained",
        "name": "ears/small",
        "revision": COMMIT,
        "licence": "bsd-3-clause",
        "file_sha256": sha256(folder / "model.safetensors"),
        "state_sha256": weights_file.state_digest(body_of(net)),
        "parameters": sum(v.numel() for v in body_of(net).values()),
    }


def test_that_the_hub_has_no_front_end_is_believed_when_the_hub_said_so(cache):
    small_ears(snapshot(cache, "ears/small", branch="main"))
    with pytest.raises(
        FileNotFoundError,
        match=r"no preprocessor_config\.json of 'ears/small' .* or set normalise: to what it says",
    ):
        embedding.create(ears_block())
    for told in (True, False):
        assert embedding.create(ears_block(normalise=told)).normalise is told
    asked = cache / f"models--ears--small/.no_exist/{COMMIT}"
    asked.mkdir(parents=True)
    (asked / "preprocessor_config.json").touch()
    assert embedding.create(ears_block()).normalise


def test_what_hears_the_waveform_is_loaded_from_a_file_of_data_weights(cache, tmp_path):
    folder = snapshot(cache, "ears/small", branch="main")
    net, path = small_ears(folder, do_normalize=False), tmp_path / "weights/own.safetensors"
    weights_file.write(path, net.state_dict(), classes=[])
    block = ears_block(weights=path.name, sha256=sha256(path))
    by_name = embedding.create(block, root=tmp_path)
    np.testing.assert_array_equal(
        by_name(SOUND)["embedding"], embedding.create(ears_block())(SOUND)["embedding"]
    )
    own = {"config": transformers_audio.TINY["config"], "normalise": False}
    found = embedding.provenance(embedding.create(block | own, root=tmp_path), block, root=tmp_path)
    assert found["file_sha256"] == block["sha256"]
    assert found["state_sha256"] == weights_file.state_digest(body_of(net))


def test_a_timm_model_without_its_classifier_is_reported_as_what_is_left_of_it(cache):
    net = small_timm()
    save_timm(net, snapshot(cache, f"timm/{TIMM}"))
    block = timm_block(model_kwargs=KWARGS | {"num_classes": 0}, revision=COMMIT)
    found = embedding.provenance(embedding.create(block), block)
    kept = {k: v for k, v in net.state_dict().items() if not k.startswith("head.fc.")}
    assert found["state_sha256"] == weights_file.state_digest(kept)
    assert len(kept) == len(net.state_dict()) - 2


def test_a_branch_is_reported_as_the_commit_that_it_was(cache):
    small_ast(seed=1).save_pretrained(snapshot(cache, "MIT/small", OTHER, branch="main"))
    found = embedding.provenance(embedding.create(ast_block()), ast_block())
    assert found["revision"] == OTHER
    assert found["licence"] is None  # no model card in the cache, and no network


def test_a_timm_model_in_the_hubs_cache_is_loaded_by_name_and_commit(cache):
    net = small_timm()
    save_timm(net, snapshot(cache, f"timm/{TIMM}"))
    save_timm(small_timm(seed=1), snapshot(cache, f"timm/{TIMM}", OTHER, branch="main"))
    block = timm_block(model_kwargs=KWARGS, revision=COMMIT)
    encoder = embedding.create(block)
    found = embedding.provenance(encoder, block)
    assert (found["name"], found["revision"]) == (f"timm/{TIMM}", COMMIT)
    assert found["state_sha256"] == state_of(net)
    assert found["licence"] == timm.get_pretrained_cfg(TIMM).license
    with torch.inference_mode():
        expected = net(encoder.prepare(PICTURES)[:, 0])
    np.testing.assert_allclose(encoder(PICTURES)["logits"], expected, atol=1e-6)


def test_a_repository_of_anybody_is_loaded_by_name_and_commit(cache):
    net = small_timm()
    save_timm(net, snapshot(cache, "someone/places"))
    block = timm_block(name="hf-hub:someone/places", revision=COMMIT)
    found = embedding.provenance(embedding.create(block), block)
    assert (found["name"], found["revision"]) == ("someone/places", COMMIT)
    assert found["state_sha256"] == state_of(net)


def test_another_commit_is_not_taken_in_place_of_the_one_asked_for(cache):
    save_timm(small_timm(), snapshot(cache, f"timm/{TIMM}", OTHER, branch="main"))
    with pytest.raises(
        FileNotFoundError, match=f"no pretrained '{TIMM}' on this machine and no ne"
    ):
        embedding.create(timm_block(model_kwargs=KWARGS, revision=COMMIT))


@pytest.mark.parametrize("what", ["ast", "timm_image"])
def test_a_checkpoint_in_a_folder_is_loaded_by_path_and_digest(tmp_path, what):
    net, folder = (
        (small_ast(), tmp_path / "n@t") if what == "ast" else (small_timm(), tmp_path / "n")
    )
    if what == "ast":
        net.save_pretrained(folder)
        block = ast_block(name=str(folder))
    else:
        block = timm_block(name=f"local-dir:{save_timm(net, folder)}")
    block["sha256"] = sha256(folder / "model.safetensors")
    found = embedding.provenance(embedding.create(block), block)
    assert found["state_sha256"] == state_of(net)
    assert found["file_sha256"] == block["sha256"]
    assert (found["name"], found["revision"]) == (str(folder), None)
    with pytest.raises(ValueError, match=r"model.safetensors has sha256 \w+, expected 0+; fetch"):
        embedding.create(block | {"sha256": "0" * 64})


@pytest.mark.parametrize(("name", "create"), [("ast", small_ast), ("timm_image", small_timm)])
def test_a_file_of_data_weights_is_loaded_by_name_and_digest(tmp_path, name, create):
    net = create()
    path = tmp_path / "weights/own.safetensors"
    classes = ["bell", "horn", "wind"] if name == "ast" else [f"c{i}" for i in range(1000)]
    weights_file.write(path, net.state_dict(), classes=classes)
    own = {"config": ast.TINY["config"]} if name == "ast" else {"name": "convnext_atto"}
    if name == "timm_image":
        own["model_kwargs"] = KWARGS
    block = {"encoder": name, "weights": "own.safetensors", "sha256": sha256(path), **own}
    encoder = embedding.create(block, root=tmp_path)
    assert encoder.classes == classes
    found = embedding.provenance(encoder, block, root=tmp_path)
    assert found["state_sha256"] == state_of(net)
    assert found["file_sha256"] == block["sha256"]
    assert found["revision"] is None


def test_a_file_with_another_digest_is_refused(tmp_path):
    weights_file.write(tmp_path / "weights/a.safetensors", {"w": torch.ones(1)}, classes=[])
    block = ast_block(weights="a.safetensors", sha256="0" * 64)
    with pytest.raises(ValueError, match=r"expected 0+; fetch the file again"):
        embedding.create(block, root=tmp_path)


def test_a_file_that_does_not_fit_is_named(tmp_path):
    state = small_timm().state_dict()
    weights_file.write(
        tmp_path / "weights/own.safetensors", state | {"x": torch.ones(1)}, classes=[]
    )
    with pytest.raises(ValueError, match=r"weights/own\.safetensors: weights .* x unexpected"):
        embedding.create(timm_block(weights="own.safetensors"), root=tmp_path)


DAMAGED = {
    "model.safetensors": b"version https://git-lfs.github.com/spec/v1",
    "pytorch_model.bin": b"PK\3\4 cut off",
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("encoder", ["ast", "timm_image"])
def test_a_damaged_checkpoint_in_a_folder_is_told_in_a_line(tmp_path, encoder, name):
    if encoder == "ast":
        small_ast().save_pretrained(tmp_path)
        block = ast_block(name=str(tmp_path))
    else:
        block = timm_block(name=f"local-dir:{save_timm(small_timm(), tmp_path)}")
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / name).write_bytes(DAMAGED[name])
    with pytest.raises(ValueError, match=r"^pretrained '.*' cannot be loaded \(.*\); expected .*$"):
        embedding.create(block)


@pytest.mark.parametrize("weights", ["random", "none"])
def test_a_digest_of_what_has_no_file_is_refused(weights):
    with pytest.raises(
        ValueError, match=f"weights: {weights}, of which no file could have sha256 0"
    ):
        embedding.create(ast_block(weights=weights, sha256="00"))


def test_a_digest_of_weights_in_files_of_other_names_is_refused(tmp_path):
    folder = save_timm(small_timm(), tmp_path / "n")
    (folder / "model.safetensors").rename(folder / "own.safetensors")
    block = timm_block(name=f"local-dir:{folder}")
    assert embedding.provenance(embedding.create(block), block)["file_sha256"] is None
    with pytest.raises(ValueError, match="in several files or under a name of its own"):
        embedding.create(block | {"sha256": "00"})


def test_random_weights_are_reported_as_such_and_drawn_from_their_seed():
    block = {"encoder": "timm_image", **timm_image.TINY}
    first, again, other = (
        embedding.provenance(embedding.create(b), b) for b in (block, block, block | {"seed": 1})
    )
    assert first == again
    assert first["state_sha256"] != other["state_sha256"]
    assert first["weights"] == "random"
    assert {first[k] for k in ("name", "revision", "licence", "file_sha256")} == {None}


def test_an_encoder_without_weights_has_no_parameters():
    block = {"encoder": "logmel", "weights": "none"}
    found = embedding.provenance(embedding.create(block), block)
    assert found["parameters"] == 0
    assert found["state_sha256"] is None


def test_a_provenance_is_the_same_file_each_time(tmp_path):
    block = {"encoder": "timm_image", **timm_image.TINY}
    for name in ("a.json", "b.json"):
        encoder = embedding.create(block)
        metrics.write(tmp_path / name, embedding.provenance(encoder, block))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert json.loads((tmp_path / "a.json").read_text())["encoder"] == "timm_image"


def test_a_checkpoint_that_lacks_a_tensor_is_refused_and_not_filled_up(tmp_path):
    net = small_timm()
    folder = save_timm(net, tmp_path / "n")
    state = {k: v for k, v in net.state_dict().items() if k != "stem.0.weight"}
    weights_file.write(folder / "model.safetensors", state, classes=[])
    with pytest.raises(
        ValueError, match=r"cannot be loaded \(.*stem.0.weight.*\); expected a name"
    ):
        embedding.create(timm_block(name=f"local-dir:{folder}"))


@pytest.mark.parametrize("name", ["convnext_atto.made_up", "no_such_model", "test_vit4"])
def test_a_name_without_weights_is_refused(name):
    with pytest.raises((ValueError, FileNotFoundError), match=name):
        embedding.create(timm_block(name=name))


@pytest.mark.parametrize("key", ["in_chans", "pretrained_strict"])
def test_arguments_that_would_leave_a_part_random_are_refused(key):
    with pytest.raises(
        ValueError, match=f"model_kwargs has {key}, with which a part of pretrained"
    ):
        embedding.create(timm_block(model_kwargs={key: 1}))


def test_a_folder_has_no_revision(tmp_path):
    with pytest.raises(
        ValueError, match="is in no repository of the hub, but has a revision; drop"
    ):
        embedding.create(timm_block(name=f"local-dir:{tmp_path}", revision=COMMIT))


def test_without_network_the_architecture_of_ast_can_be_given(tmp_path):
    small_ast().save_pretrained(tmp_path)
    (tmp_path / "weights").mkdir()
    (tmp_path / "model.safetensors").rename(tmp_path / "weights/a.safetensors")
    block = ast_block(weights="a.safetensors")
    with pytest.raises(
        FileNotFoundError, match=r"no config of 'MIT/small' .* or set config: \(AST"
    ):
        embedding.create(block, root=tmp_path)
    config = {**ast.TINY["config"], "num_labels": 3}
    assert embedding.create(block | {"config": config}, root=tmp_path).model.config.num_labels == 3


def test_the_config_that_the_error_names_is_that_of_ast_base():
    config = ASTConfig(num_labels=527)
    assert (config.hidden_size, config.num_hidden_layers, config.max_length) == (768, 12, 1024)
    assert (config.num_mel_bins, config.time_stride, config.frequency_stride) == (128, 10, 10)


def test_encoders_of_sound_follow_the_rate_of_the_decoded_sound():
    block = {"encoder": "logmel", "weights": "none"}
    assert embedding.create(block, decoded_hz=32000).sample_rate == 32000
    named = embedding.create(block | {"sample_rate": 32000}, decoded_hz=32000)
    assert named.sample_rate == 32000
    assert embedding.create(block).sample_rate == 16000


def test_another_rate_than_that_of_the_decoded_sound_is_refused():
    block = {"encoder": "logmel", "weights": "none", "sample_rate": 44100}
    with pytest.raises(ValueError, match="is 44100, but the sound was decoded at 32000 Hz "):
        embedding.create(block, decoded_hz=32000)


def test_rate_of_the_sound_is_part_of_the_key_of_the_clips_and_not_of_the_encoders(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/none").touch()
    block = {"encoder": "scalogram", "weights": "none"}
    encoder = embedding.create(block)
    one, other = (
        embedding.identity(encoder, b, root=tmp_path) for b in (block, block | {"sample_rate": 1})
    )
    assert one == other


@pytest.mark.parametrize("written", ["by hand", "by convert"])
def test_weights_that_do_not_say_how_inputs_were_normalised_are_warned_of(
    tmp_path, caplog, written
):
    path = tmp_path / "weights/own.safetensors"
    path.parent.mkdir()
    if written == "by hand":
        save_file(small_timm().state_dict(), path)
    else:
        names = [f"k{i}" for i in range(1000)]
        weights_file.write(path, small_timm().state_dict(), classes=names, converted=True)
    block = {"encoder": "timm_image", "weights": path.name, "name": "convnext_atto"}
    block |= {"model_kwargs": KWARGS, "input_size": 32}
    embedding.create(block, root=tmp_path)
    (warning,) = caplog.messages
    assert "mean (0.485, 0.456, 0.406) and std (0.229, 0.224, 0.225) are assumed" in warning
    caplog.clear()
    half = [0.5, 0.5, 0.5]
    assert embedding.create(block | {"mean": half, "std": half}, root=tmp_path).mean == (0.5,) * 3
    assert not caplog.messages


def test_weights_that_a_stage_trained_need_no_mean_and_std(tmp_path, caplog):
    path = tmp_path / "weights/own.safetensors"
    weights_file.write(path, small_ast().state_dict(), classes=["bell", "horn", "wind"])
    block = {"encoder": "ast", "weights": path.name, "config": ast.TINY["config"]}
    embedding.create(block, root=tmp_path)
    assert not caplog.messages
