import json

import numpy as np
import pytest
import soxr
import torch
from transformers import Wav2Vec2FeatureExtractor

from avsc.encoders import Network, Tagger
from avsc.precision import in_bfloat16
from tests.encoders.small_ears import (
    MONO,
    NETS,
    NOISE,
    body,
    config,
    create,
    heard,
    pretrained,
    saved,
)

EXTRACTOR = Wav2Vec2FeatureExtractor()
SURE = {  # no dropout: what draws then is masks and dropped layers, which are all but certain
    **dict.fromkeys(("hidden_dropout", "activation_dropout", "attention_dropout"), 0.0),
    "mask_time_prob": 0.9,
    "mask_time_length": 2,
    "mask_feature_prob": 0.9,
    "mask_feature_length": 2,
}


@pytest.mark.parity
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("normalise", [True, False])
def test_the_embedding_is_the_mean_of_what_transformers_gives_for_a_checkpoint(
    tmp_path, net, normalise
):
    whole = body(net)
    folder = saved(whole, tmp_path, do_normalize=normalise)
    found = pretrained(folder)(NOISE)["embedding"]
    assert found.shape == (4, 16)
    np.testing.assert_allclose(found, heard(whole, normalise=normalise), atol=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize("net", ["relative conformer", "rotary conformer"])
def test_the_positions_of_a_conformer_are_those_of_transformers(net):
    ours = create(config=config(net)).model.wav2vec2_conformer.encoder.embed_positions
    theirs = body(net).encoder.embed_positions
    assert type(ours) is not type(theirs)
    for frames in (7, 3):
        hidden = torch.ones(2, frames, 16)
        torch.testing.assert_close(ours(hidden), theirs(hidden), rtol=0, atol=0)


@pytest.mark.parity
@pytest.mark.parametrize("sound", ["noise", "quiet", "silence", "far off zero"])
def test_the_front_end_is_transformers(sound):
    wave = {
        "noise": MONO,
        "quiet": MONO * np.float32(1e-4),
        "silence": 0 * MONO,
        "far off zero": MONO / 4 + np.float32(0.75),
    }[sound]
    found = create().prepare(np.stack([wave, wave], axis=1))
    expected = EXTRACTOR(list(wave), sampling_rate=16000)["input_values"]
    np.testing.assert_array_equal(found, np.stack(expected))


def test_a_checkpoint_says_whether_it_takes_normalised_sound_and_the_argument_says_more(tmp_path):
    folder = saved(body(), tmp_path, do_normalize=False)
    np.testing.assert_array_equal(pretrained(folder).prepare(NOISE), MONO)
    expected = EXTRACTOR(list(MONO), sampling_rate=16000)["input_values"]
    np.testing.assert_array_equal(pretrained(folder, normalise=True).prepare(NOISE), expected)
    (folder / "preprocessor_config.json").unlink()
    np.testing.assert_array_equal(pretrained(folder).prepare(NOISE), expected)
    np.testing.assert_array_equal(create(normalise=False).prepare(NOISE), MONO)


def test_what_a_processor_of_transformers_5_says_is_heard(tmp_path):
    folder = saved(body(), tmp_path)
    own = json.loads((folder / "preprocessor_config.json").read_text()) | {"do_normalize": False}
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"feature_extractor": own}))
    np.testing.assert_array_equal(pretrained(folder).prepare(NOISE), MONO)


@pytest.mark.parametrize(("rate", "wanted"), [(16000, 8000), (48000, 16000)])
def test_sound_of_another_rate_is_resampled_to_that_of_the_checkpoint(tmp_path, rate, wanted):
    folder = saved(body(), tmp_path, sampling_rate=wanted, do_normalize=False)
    second = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 2, rate)).astype(np.float32)
    mono = second.mean(axis=1)
    expected = np.stack([soxr.resample(row, rate, wanted, quality="VHQ") for row in mono])
    found = pretrained(folder, sample_rate=rate).prepare(second)
    assert found.shape == (2, wanted)
    np.testing.assert_allclose(found, expected, atol=1e-6)


# rows


def test_a_row_has_the_bits_alone_that_it_has_in_any_company():
    encoder, in_batches = create(batch_size=1), create(batch_size=4)
    whole = encoder(NOISE)["embedding"]
    for row in range(4):
        alone = encoder(NOISE[row : row + 1])["embedding"]
        np.testing.assert_array_equal(alone[0], whole[row])
    other = np.concatenate([NOISE[:1], NOISE[:0:-1] / 3])
    found = [in_batches(x)["embedding"][0] for x in (NOISE, other)]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("net", NETS)
def test_the_other_rows_change_nothing_whatever_the_network(net):
    encoder = create(config=config(net), scope="clip")
    clips = NOISE.reshape(2, 2, 32000)
    other = np.stack([clips[0], clips[1] / 3])
    expected = encoder(clips[:1])["embedding"]
    np.testing.assert_allclose(encoder(clips)["embedding"][:1], expected, atol=1e-5)
    np.testing.assert_allclose(encoder(other)["embedding"][:1], expected, atol=1e-5)


@pytest.mark.parametrize("net", ["wav2vec2", "sew"])
def test_the_shortest_row_is_the_one_of_which_the_convolutions_leave_a_frame(net):
    encoder, whole = create(config=config(net)), body(net)
    frames = [int(whole._get_feat_extract_output_lengths(encoder.least - n)) for n in (0, 1)]
    squeezed = 2 if net == "sew" else 1
    assert frames == [squeezed, squeezed - 1]


def test_a_row_that_is_too_short_for_the_convolutions_is_refused():
    long = {"conv_kernel": [20, 16, 100], "conv_stride": [10, 20, 1]}
    encoder = create(config=config("wav2vec2", **long))
    with pytest.raises(ValueError, match=r"have 16000 samples at 16000 Hz, .* take 19970 or more"):
        encoder(NOISE)
    clips = create(config=config("wav2vec2", **long), scope="clip")
    assert clips(NOISE.reshape(2, 2, 32000))["embedding"].shape == (2, 16)


def test_it_is_a_network_and_no_tagger_for_it_has_no_classes():
    assert isinstance(create(), Network)
    assert not isinstance(create(), Tagger)


# views


def test_a_view_has_a_run_of_samples_at_the_mean_and_no_bands():
    encoder = create(normalise=False)
    still = {"shift_s": 0.0, "gain_db": 0.0, "view": 1, "seed": 0}
    found = encoder.prepare_view(NOISE, **still, time_mask=0.5, band_mask=1.0)
    for row, view in zip(MONO, found.numpy(), strict=True):
        covered = np.flatnonzero(view != row)
        assert 0 < len(covered) <= 8000
        assert len(covered) == covered[-1] - covered[0] + 1
        np.testing.assert_allclose(view[covered], row.mean(), atol=1e-6)
    plain = encoder.prepare_view(NOISE, **still, time_mask=0.0, band_mask=1.0)
    np.testing.assert_array_equal(plain, MONO)


def test_a_limit_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"band_mask is 7.0; expected 0 \(off\) to 1"):
        create().views(NOISE, count=2, seed=0, band_mask=7.0)


# training


@pytest.mark.parametrize("net", NETS)
def test_without_dropout_nothing_draws_in_training(net):
    sure = SURE | ({} if net == "sew-d" else {"layerdrop": 0.9})
    sure |= {"conformer_conv_dropout": 0.0} if "conformer" in net else {}
    encoder = create(config=config(net, **sure))
    model, rows = encoder.model.train(), encoder.prepare(NOISE)
    torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002 (transformers draws from the global one)
    expected = torch.rand(1), np.random.rand()  # noqa: NPY002
    torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002
    first, second = model(rows)[0], model(rows)[0]
    assert (torch.rand(1), np.random.rand()) == expected  # noqa: NPY002
    assert torch.equal(first, second)


@pytest.mark.parametrize("net", NETS)
def test_every_tensor_in_use_learns_also_after_the_network_has_encoded(net):
    encoder = create(config=config(net))
    encoder(NOISE)
    encoder.model.train()(encoder.prepare(NOISE))[0].square().sum().backward()
    still = [name for name, p in encoder.model.named_parameters() if p.grad is None]
    unused = "encoder.pos_conv_embed." if "conformer" in net else "none"  # transformers builds it
    assert [name for name in still if unused not in name] == []


@pytest.mark.parametrize("net", NETS)
def test_bfloat16_gives_nearly_the_same_and_leaves_float32_as_it_was(net):
    encoder = create(config=config(net))
    rows, plain = encoder.prepare(NOISE), encoder(NOISE)["embedding"]
    with torch.inference_mode():
        half = in_bfloat16(encoder.model.forward, rows)[0].numpy()
    assert half.dtype == np.float32
    off = np.linalg.norm(half - plain, axis=1) / np.linalg.norm(plain, axis=1)
    assert 0 < off.max() < 5e-2
    np.testing.assert_array_equal(encoder(NOISE)["embedding"], plain)


def test_attention_is_torchs_own_in_one_kernel():
    assert create().model.wav2vec2.config._attn_implementation == "sdpa"
