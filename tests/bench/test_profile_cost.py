"""What a profile is said to need, against sums by hand and published sizes of networks."""

import pytest

from bench import profile_cost
from bench.profile_cost import TRAINING, largest_input, offline

DECODE = {"sample_rate": 16000, "short_side_px": 64, "jpeg_quality": 90}
RESNET = {  # with weights of the hub, which are asked for nothing
    "encoder": "timm_image",
    "weights": "pretrained",
    "name": "resnet18.a1_in1k",
    "input_size": 224,
}


def encoded(block, clip):
    return profile_cost.encoded(offline(block, decoded_hz=16000), block, clip)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return profile_cost.decoded(tmp_path_factory.mktemp("clip"), DECODE, size=(160, 96))


def test_a_decoded_clip_has_four_bytes_a_sample_and_its_pictures(clip):
    cost, made = clip
    assert cost["bytes"] == 10 * 2 * 16000 * 4 + sum(map(len, made.pictures))
    assert cost["passes_s"] == cost["core_s"] > 0


def test_a_hand_made_feature_costs_its_bytes_and_no_network(clip):
    cost = encoded({"encoder": "fbank", "weights": "none"}, clip[1])
    assert cost["bytes"] == cost["read"] == 10 * 6 * 2 * 256 * 4
    assert cost["parameters"] == cost["flop"] == 0


@pytest.mark.slow
@pytest.mark.nightly
def test_a_resnet18_has_the_size_and_the_arithmetic_that_torchvision_states(clip):
    # 11 689 512 parameters and 1.81 billion multiply-adds a picture of 224 px
    cost = encoded(RESNET, clip[1])
    assert cost["parameters"] == 11_689_512
    assert cost["flop"] == pytest.approx(10 * 2 * 1.81e9, rel=0.01)
    assert cost["bytes"] == 10 * (512 + 1000) * 4


def test_each_view_is_one_more_pass_over_the_clips_of_the_training_fold(clip):
    block = {
        "encoder": "timm_image",
        "weights": "random",
        "name": "convnext_atto",
        "model_kwargs": {"depths": [1, 1, 1, 1], "dims": [4, 8, 12, 16], "num_classes": 0},
        "input_size": 32,
        "views": {"count": 3, "seed": 1},
    }
    cost = encoded(block, clip[1])
    assert cost["passes_flop"] == pytest.approx(cost["flop"] * (1 + 3 * TRAINING))
    assert cost["bytes"] == pytest.approx(10 * 16 * 4 * (1 + 3 * TRAINING))


def test_the_attention_of_a_network_is_counted(clip):
    # one layer, 5 tokens, 8 wide: besides 4 projections and an MLP of four times the width of every
    # token, two products of 5 x 5 x 8, and the patches: 4 of 3 x 16 x 16 numbers
    block = {
        "encoder": "timm_image",
        "weights": "random",
        "name": "vit_tiny_patch16_224",
        "model_kwargs": {
            "depth": 1, "embed_dim": 8, "num_heads": 1, "img_size": 32, "num_classes": 0
        },
        "input_size": 32,
    }  # fmt: skip
    token = 4 * 8 * 8 + 2 * 8 * 32
    assert encoded(block, clip[1])["flop"] == 10 * 2 * (4 * 8 * 768 + 5 * token + 2 * 5 * 5 * 8)


def test_the_largest_input_is_of_an_experiment_or_of_all_that_a_study_reads():
    tree = {
        "bundle": {"xy": ["x", "y"], "xz": ["x", "z"]},
        "train": {"a": {"inputs": "x"}, "b": {"inputs": "xy"}},
        "study": {"s": {"inputs": "xz"}},
    }
    assert largest_input(tree, {"x": 1.0, "y": 2.0, "z": 4.0}) == 5.0
    assert largest_input(tree | {"study": {}}, {"x": 1.0, "y": 2.0, "z": 4.0}) == 3.0


@pytest.mark.parametrize("name", ["tau2021", "modern"])
def test_every_encoder_of_a_profile_for_tau_can_be_made_without_network(name, monkeypatch):
    made = []
    monkeypatch.setattr(profile_cost.avsc.encoders, "create", lambda *a, **k: made.append((a, k)))
    for block in profile_cost.profile(name)["embed"].values():
        offline(block, decoded_hz=16000)
    assert all(k.get("weights", "random") == "random" for _, k in made)
    assert all(k.get("config") is not None for a, k in made if a[0] in ("ast", "clap"))


def test_the_table_ends_with_the_sum_for_all_clips():
    tree = {
        "decode": DECODE,
        "embed": {"fbank": {"encoder": "fbank", "weights": "none"}},
        "train": {"a": {"inputs": "fbank"}},
        "study": {},
    }
    decode, fbank, whole = profile_cost.rows("toy", tree, clips=1000, size=(160, 96))
    assert [row["what"] for row in (decode, fbank, whole)] == [
        "toy: decode", "toy: fbank", "toy: all"
    ]  # fmt: skip
    assert fbank["GB"] == whole["largest input GB"] == pytest.approx(0.12288)
    assert whole["GB"] == pytest.approx(decode["GB"] + fbank["GB"])


@pytest.mark.slow
@pytest.mark.nightly
def test_a_quick_run_has_a_row_for_each_encoder_of_the_demo_between_media_and_sum():
    encoders = profile_cost.profile("demo")["embed"]
    found = [row["what"] for row in profile_cost.results(quick=True)]
    assert found == [f"demo: {name}" for name in ("decode", *encoders, "all")]
