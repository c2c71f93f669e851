"""Whose weights a network that hears the waveform gets, and what is refused."""

import json
import re

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING

import avsc.encoders
from avsc.encoders.transformers_audio import PARTS
from tests.encoders.small_ears import NETS, NOISE, body, config, create, heard, pretrained, saved


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Return a small wav2vec 2.0 and its folder."""
    net = body()
    return net, saved(net, tmp_path_factory.mktemp("wav2vec2"))


HEADS = [
    ("wav2vec2", "Wav2Vec2ForPreTraining"),
    ("wav2vec2", "Wav2Vec2ForCTC"),
    ("wav2vec2 of layer norms", "Wav2Vec2ForXVector"),
    ("hubert", "HubertForCTC"),
    ("wavlm", "WavLMForXVector"),
    ("data2vec-audio", "Data2VecAudioForSequenceClassification"),
    ("unispeech", "UniSpeechForPreTraining"),
    ("unispeech-sat", "UniSpeechSatForPreTraining"),
    ("sew", "SEWForCTC"),
    ("sew-d", "SEWDForSequenceClassification"),
    ("relative conformer", "Wav2Vec2ConformerForPreTraining"),
    ("rotary conformer", "Wav2Vec2ConformerForCTC"),
]


@pytest.mark.parametrize(("net", "head"), HEADS)
def test_a_checkpoint_with_a_head_its_body_and_all_state_dicts_give_the_same_bits(
    tmp_path, net, head
):
    more = {"vocab_size": 5, "num_codevectors_per_group": 4, "codevector_dim": 4, "tdnn_dim": [8]}
    more |= {"tdnn_kernel": [3], "tdnn_dilation": [1], "xvector_output_dim": 8, "num_clusters": 4}
    known = {f for f in more if hasattr(CONFIG_MAPPING[NETS[net][0]](), f)}
    whole = body(net, head=head, **{k: more[k] for k in known})
    alone = whole.base_model
    expected = pretrained(saved(whole, tmp_path / "whole"))(NOISE)["embedding"]
    np.testing.assert_allclose(expected, heard(alone), atol=1e-5)
    own = config(net)
    ours = create(config=own, weights=whole.state_dict()).model.state_dict()
    for same in (
        pretrained(saved(alone, tmp_path / "alone")),
        create(config=own, weights=whole.state_dict()),
        create(config=own, weights=alone.state_dict()),
        create(config=own, weights=ours),
        create(name=str(tmp_path / "whole"), config=None, weights=ours),
    ):
        np.testing.assert_array_equal(same(NOISE)["embedding"], expected)
    assert ours.keys() <= whole.state_dict().keys()


@pytest.mark.parametrize("net", NETS)
def test_every_tensor_of_a_body_counts_as_one(net):
    named = body(net).state_dict().keys() - {"masked_spec_embed"}
    prefix = body(net).base_model_prefix
    counted = re.compile(rf"^({prefix}\.)?({PARTS})\.")
    assert [k for k in named if not counted.search(k)] == []


def test_a_checkpoint_of_older_names_without_what_masks_is_whole(checkpoint, tmp_path):
    net, folder = checkpoint
    older = {"parametrizations.weight.original0": "weight_g"}
    older |= {"parametrizations.weight.original1": "weight_v"}
    state = net.state_dict()
    del state["masked_spec_embed"]
    for new, old in older.items():
        for key in [k for k in state if k.endswith(new)]:
            state[key.removesuffix(new) + old] = state.pop(key)
    saved(net, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(state, tmp_path / "pytorch_model.bin")  # as most of the hub's are
    expected = pretrained(folder)(NOISE)["embedding"]
    for same in (pretrained(tmp_path), create(weights=state)):
        np.testing.assert_array_equal(same(NOISE)["embedding"], expected)


def changed(checkpoint, folder, change):
    """Save the checkpoint with other tensors."""
    saved(checkpoint[0], folder)
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.pop("encoder.layers.0.attention.k_proj.weight"),
            r"do not fit the model: encoder\.layers\.0\.attention\.k_proj\.weight missing; give",
        ),
        (
            lambda s: s.update({"encoder.layers.2.layer_norm.bias": torch.zeros(16)}),
            r"do not fit the model: encoder\.layers\.2\.layer_norm\.bias unexpected; give",
        ),
        (
            lambda s: s.update({"feature_projection.projection.bias": torch.zeros(7)}),
            r"feature_projection\.projection\.bias \(7,\) for \(16,\) of another shape; give",
        ),
    ],
)
def test_a_checkpoint_with_a_tensor_less_or_more_than_the_body_is_refused_and_not_filled_up(
    checkpoint, tmp_path, change, message
):
    with pytest.raises(ValueError, match=message):
        pretrained(changed(checkpoint, tmp_path, change))


def test_layers_that_the_config_does_not_count_are_refused(tmp_path):
    saved(body(head="Wav2Vec2ForCTC"), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_hidden_layers": 1}))
    with pytest.raises(ValueError, match=r"wav2vec2\.encoder\.layers\.1\..* and \d+ more unexpect"):
        pretrained(tmp_path)


def test_a_checkpoint_that_is_cut_off_is_told_in_a_line(checkpoint, tmp_path):
    saved(checkpoint[0], tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"^pretrained '.*' cannot be loaded \(.*\); expected .*$"):
        pretrained(tmp_path)


def test_a_state_dict_that_does_not_fit_the_body_is_refused_with_all_that_is_wrong():
    state = dict(create().model.state_dict())
    missing, misshapen = [k for k in state if k.endswith("weight")][:2]
    del state[missing]
    state[misshapen] = torch.zeros(7)
    state["wav2vec2.encoder.unheard_of"] = torch.zeros(1)
    with pytest.raises(ValueError, match="the state dict do not fit the model") as error:
        create(weights=state)
    for found in (missing.removeprefix("wav2vec2.") + " missing", "unheard_of unexpected"):
        assert found in str(error.value)
    assert f"{misshapen.removeprefix('wav2vec2.')} (7,) for (" in str(error.value)


def test_a_seed_draws_the_same_weights_twice_and_leaves_the_callers_generators_alone():
    torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002 (the global one)
    expected = torch.rand(1), np.random.rand()  # noqa: NPY002
    torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002
    one, same, other = (create(seed=s)(NOISE)["embedding"] for s in (1, 1, 2))
    assert (torch.rand(1), np.random.rand()) == expected  # noqa: NPY002
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other, atol=1e-4)


# configs


def test_a_checkpoint_that_sees_spectrograms_is_refused_with_the_encoder_that_takes_it(tmp_path):
    for kind, encoder in (("audio-spectrogram-transformer", "ast"), ("clap", "clap")):
        CONFIG_MAPPING[kind]().save_pretrained(tmp_path)
        with pytest.raises(
            ValueError, match=f"'{kind}', which hears no waveform; take encoder: {encoder}"
        ):
            pretrained(tmp_path)


def test_a_network_of_texts_and_none_at_all_are_refused_with_those_that_hear(tmp_path):
    CONFIG_MAPPING["bert"]().save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=r"config\.json has model_type 'bert', which hears no wave"
    ):
        pretrained(tmp_path)
    for wrong in ({}, {"model_type": ["wav2vec2"]}, {"model_type": "wav2vec2-bert"}):
        with pytest.raises(
            ValueError, match=r"^config has .*; name another network, or one of dat"
        ):
            create(config=wrong)


def test_a_network_with_an_adapter_is_refused_for_it_draws():
    with pytest.raises(ValueError, match=r"adapter for a decoder .* draws numbers in each pass"):
        create(config=config("wav2vec2", add_adapter=True))


def test_an_unknown_key_of_the_config_is_refused():
    with pytest.raises(ValueError, match="config has hidden, which Wav2Vec2Config does not know"):
        create(config=config("wav2vec2", hidden=16))


def test_numbers_of_what_is_outside_the_body_may_be_0(tmp_path):
    free = {"pad_token_id": 0, "bos_token_id": 0, "mask_time_min_masks": 0, "hidden_dropout": 0}
    saved(body(**free), tmp_path)
    assert pretrained(tmp_path)(NOISE)["embedding"].shape == (4, 16)
    with pytest.raises(ValueError, match=r"config gives no Wav2Vec2Config \(conv_stride\.1 is 0"):
        create(config=config("wav2vec2", conv_stride=[10, 0, 4]))


def test_what_names_no_network_is_refused():
    with pytest.raises(
        ValueError, match=r"no name says which network; give name: .* or with other"
    ):
        avsc.encoders.create("transformers_audio")
    with pytest.raises(ValueError, match="no name says which network"):
        avsc.encoders.create("transformers_audio", weights="random")


def test_pretrained_weights_take_no_other_config():
    with pytest.raises(ValueError, match="config is given, but weights: pretrained has that of"):
        create(name="someone/ears", weights="pretrained")


def test_a_word_that_names_no_weights_is_refused():
    with pytest.raises(ValueError, match="weights is 'best'; expected 'pretrained', 'random' or a"):
        create(weights="best")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"sampling_rate": "16k"}', "sampling_rate is '16k' and do_normalize True"),
        ('{"do_normalize": 1}', "sampling_rate is 1 and do_normalize 1"),
        ("[]", "no object of JSON"),
    ],
)
def test_a_damaged_description_of_the_front_end_is_refused(checkpoint, tmp_path, text, message):
    saved(checkpoint[0], tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(ValueError, match=rf"preprocessor_config\.json gives no .*{message}.*fetch"):
        pretrained(tmp_path)


def test_a_folder_without_a_config_is_told_in_a_line(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no pretrained '.*' .*\(it has no config\.json\)"):
        pretrained(tmp_path)


def test_without_network_the_error_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        FileNotFoundError,
        match=r"no pretrained 'someone/ears' .* or set weights: to a file or to random",
    ):
        pretrained("someone/ears", revision="0" * 40)
    with pytest.raises(FileNotFoundError, match=r"no config of 'someone/ears' .* or set config:"):
        create(name="someone/ears", config=None, weights="random")


@pytest.mark.parametrize("found", ["no", 0, []])
def test_a_choice_that_is_none_is_refused(found):
    with pytest.raises(ValueError, match=r"normalise of .* is .*, expected true, false or null"):
        avsc.encoders.create("transformers_audio", normalise=found)


def test_a_link_to_nowhere_is_no_silence(checkpoint, tmp_path):
    net, _ = checkpoint
    folder = saved(net, tmp_path / "net")
    path = tmp_path / "net/preprocessor_config.json"
    path.unlink(missing_ok=True)
    path.symlink_to(tmp_path / "gone.json")
    with pytest.raises(FileNotFoundError, match=r"its preprocessor_config\.json is no file"):
        pretrained(folder)
