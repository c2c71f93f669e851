import huggingface_hub.constants
import numpy as np
import pytest
import soxr
import torch
from transformers import (
    ClapAudioConfig,
    ClapAudioModelWithProjection,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
)

import avsc.encoders
from avsc.encoders import Network, Tagger
from avsc.encoders.clap import TINY

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 2, 16000)).astype(np.float32)
TEXTS = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 9}
EXTRACTOR = ClapFeatureExtractor(  # as laion/clap-htsat-unfused says in preprocessor_config.json
    frequency_min=50, frequency_max=14000, truncation="rand_trunc", padding="repeatpad"
)


def create(**params):
    return avsc.encoders.create("clap", **{**TINY, **params})


def pretrained(name, **params):
    return create(name=str(name), weights="pretrained", config=None, **params)


def whole_clap(seed=0, **audio):
    """Return a small CLAP with both towers, as the hub has them."""
    torch.manual_seed(seed)
    audio_config = ClapAudioConfig(**TINY["config"], **audio).to_dict()
    return ClapModel(ClapConfig(audio_config=audio_config, text_config=TEXTS)).eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Return a small CLAP as transformers saves it, and its folder."""
    net, folder = whole_clap(), tmp_path_factory.mktemp("clap")
    net.save_pretrained(folder)
    return net, folder


@pytest.mark.parity
@pytest.mark.parametrize("seconds", [1, 3, 10])
@pytest.mark.parametrize("sound", ["noise", "sine", "quiet", "silence"])
def test_the_front_end_is_transformers(sound, seconds):
    t = np.arange(seconds * 48000) / 48000
    noise = np.random.default_rng(0).uniform(-1, 1, len(t))
    wave = {
        "noise": noise,
        "sine": 0.9 * np.sin(2 * np.pi * 1000 * t),
        "quiet": 1e-4 * noise,
        "silence": 0 * t,
    }[sound].astype(np.float32)
    encoder = create(scope="clip", sample_rate=48000)
    found = encoder.prepare(np.stack([wave, wave])[None])[0]
    expected = EXTRACTOR(wave, sampling_rate=48000)["input_features"][0][0]
    assert found.shape == expected.shape == (1001, 64)
    loud = expected > expected.max() - 80  # dB; below it is float32's rounding of the loud bands
    np.testing.assert_allclose(found[loud], expected[loud], atol=1e-2)


@pytest.mark.parity
def test_the_embedding_is_what_transformers_projects(checkpoint):
    net, folder = checkpoint
    found = pretrained(folder, sample_rate=48000)(NOISE.repeat(3, axis=2))["embedding"]
    mono = NOISE.mean(axis=1).repeat(3, axis=1)
    features = np.array(EXTRACTOR(list(mono), sampling_rate=48000)["input_features"])
    with torch.inference_mode():
        expected = net.audio_model(torch.from_numpy(features).float()).pooler_output
    assert found.shape == (2, 16)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_sound_of_another_rate_is_resampled_to_48_khz():
    mono = NOISE.mean(axis=1)
    upsampled = np.stack([soxr.resample(row, 16000, 48000, quality="VHQ") for row in mono])
    at_48_khz = create(sample_rate=48000)(np.stack([upsampled, upsampled], axis=1))
    np.testing.assert_allclose(create()(NOISE)["embedding"], at_48_khz["embedding"], atol=1e-4)


def test_a_second_is_heard_ten_times():
    once, twice = create(sample_rate=48000), create(sample_rate=48000, scope="clip")
    second = NOISE.repeat(3, axis=2)
    found = twice(np.concatenate([second, second], axis=2))["embedding"]
    np.testing.assert_array_equal(found, once(second)["embedding"])


def test_more_than_ten_seconds_are_refused():
    with pytest.raises(ValueError, match="rows last 11 s, CLAP takes 10 s at most; cut the sound"):
        create(scope="clip")(np.zeros((1, 2, 11 * 16000), np.float32))


def test_clap_is_a_network_and_no_tagger_for_it_has_no_classes():
    assert isinstance(create(), Network)
    assert not isinstance(create(), Tagger)


def test_a_whole_clap_its_audio_tower_and_both_state_dicts_give_the_same_bits(checkpoint, tmp_path):
    net, folder = checkpoint
    expected = pretrained(folder)(NOISE)["embedding"]
    tower = ClapAudioModelWithProjection(net.config.audio_config)
    tower.load_state_dict(net.state_dict(), strict=False)
    tower.save_pretrained(tmp_path)
    for same in (
        pretrained(tmp_path),
        create(weights=net.state_dict()),
        create(weights=tower.state_dict()),
        create(weights=create(weights=net.state_dict()).model.state_dict()),
    ):
        np.testing.assert_array_equal(same(NOISE)["embedding"], expected)


def test_a_seed_draws_the_same_weights_twice_and_leaves_the_callers_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same, other = (create(seed=s)(NOISE)["embedding"] for s in (1, 1, 2))
    assert torch.rand(1) == expected
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other, atol=1e-4)


def test_a_state_dict_that_does_not_fit_the_tower_is_refused_with_all_that_is_wrong():
    state = dict(create().model.state_dict())
    missing, misshapen = [k for k in state if k.endswith("weight")][:2]
    del state[missing]
    state[misshapen] = torch.zeros(7)
    state["audio_model.unheard_of"] = torch.zeros(1)
    with pytest.raises(ValueError, match="the state dict do not fit the model") as error:
        create(weights=state)
    for found in (f"{missing} missing", "unheard_of unexpected", f"{misshapen} (7,) for ("):
        assert found in str(error.value)


def test_a_checkpoint_without_a_tensor_of_the_tower_is_refused_and_not_filled_up(
    checkpoint, tmp_path
):
    net, _ = checkpoint
    state = {k: v for k, v in net.state_dict().items() if "batch_norm.weight" not in k}
    net.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(ValueError, match=r"batch_norm\.weight missing"):
        pretrained(tmp_path)


def test_a_fused_clap_is_refused(tmp_path):
    whole_clap(enable_fusion=True, fusion_type="channel_map").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="is a fused CLAP, whose input is another; name an unfuse"):
        pretrained(tmp_path)
    with pytest.raises(ValueError, match="config is a fused CLAP"):
        create(config=TINY["config"] | {"enable_fusion": True})


def test_an_unknown_key_of_the_config_is_refused():
    with pytest.raises(ValueError, match="config has hidden, which ClapAudioConfig does not know"):
        create(config={"hidden": 16})


def test_pretrained_weights_take_no_other_config():
    with pytest.raises(ValueError, match="config is given, but weights: pretrained has that of"):
        create(weights="pretrained")


def test_a_word_that_names_no_weights_is_refused():
    with pytest.raises(ValueError, match="weights is 'best'; expected 'pretrained', 'random' or a"):
        create(weights="best")


def test_without_network_the_error_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        FileNotFoundError,
        match=r"no pretrained 'laion/clap-htsat-unfused' .* or set weights: to a file or to random",
    ):
        avsc.encoders.create("clap", revision="0" * 40)
