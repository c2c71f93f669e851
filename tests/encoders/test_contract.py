"""What every file of avsc/encoders/ must do; a new encoder is tested by being there."""

from importlib import import_module

import numpy as np
import pytest
import torch

import avsc.encoders
from avsc.encoders import Encoder, Network, Tagger
from tests.elsewhere import a_second_device
from tests.encoders.contract import (
    HEARING,
    NAMES,
    NETWORKS,
    SCOPES,
    TAGGERS,
    apart,
    arguments,
    close,
    make,
    media,
    taking,
)

EACH = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module", params=[(n, s) for n in NAMES for s in SCOPES], ids="-".join)
def encoder(request):
    name, scope = request.param
    return make(name, scope=scope)


@EACH
def test_an_encoder_has_a_version_that_is_a_whole_number(name):
    arguments(name)
    assert type(import_module(f"avsc.encoders.{name}").VERSION) is int


def test_an_encoder_says_what_it_takes(encoder):
    lacking = [a for a in ("modality", "scope", "__call__", "views") if not hasattr(encoder, a)]
    assert not lacking, f"Encoder lacks {lacking}; avsc/encoders/__init__.py describes them"
    assert isinstance(encoder, Encoder)
    assert encoder.modality in ("audio", "video")
    assert encoder.scope in SCOPES


def test_output_is_finite_float32_with_a_row_for_each_row(encoder):
    out = encoder(media(encoder))
    assert set(out) == ({"embedding", "logits"} if isinstance(encoder, Tagger) else {"embedding"})
    for array in out.values():
        assert (array.dtype, len(array)) == (np.float32, 4)
        assert array.ndim >= 2
        assert array.flags.c_contiguous
        assert np.isfinite(array).all()


def test_the_same_input_gives_the_same_bits(encoder):
    x = media(encoder)
    first, second = encoder(x), encoder(x)
    for key in first:
        np.testing.assert_array_equal(first[key], second[key])


def test_a_row_alone_gives_what_it_gives_in_company(encoder):
    x = media(encoder)
    whole = encoder(x)
    for row in range(len(x)):
        close(encoder(x[row : row + 1]), {k: v[row : row + 1] for k, v in whole.items()})


def test_the_order_of_the_rows_does_not_matter(encoder):
    x, order = media(encoder), [2, 0, 3, 1]
    close(encoder(x[order]), {k: v[order] for k, v in encoder(x).items()})


def test_changing_the_other_rows_changes_nothing(encoder):
    x, other = media(encoder), media(encoder, seed=1)
    other[1] = x[1]
    close({k: v[1] for k, v in encoder(other).items()}, {k: v[1] for k, v in encoder(x).items()})


def test_different_rows_give_different_embeddings(encoder):
    embedding = encoder(media(encoder))["embedding"]
    apart(embedding[0], embedding[1], "embeddings of two rows of noise")


def test_the_input_is_left_as_it_was(encoder):
    x = media(encoder)
    x.flags.writeable = False  # a write would raise, and torch would warn of one to come
    encoder(x)


@pytest.mark.parametrize("fill", ["least", "most", "square"])
def test_silence_black_and_full_scale_give_finite_numbers(encoder, fill):
    x = media(encoder)
    top = 255 if encoder.modality == "video" else 1
    x[:] = {"least": 0, "most": top, "square": 0}[fill]
    if fill == "square":
        axis = -2 if encoder.modality == "video" else -1
        wave = np.where(np.arange(x.shape[axis]) // 5 % 2, top, 0 if top == 255 else -1)
        x[:] = np.expand_dims(wave, -1) if axis == -2 else wave
    for array in encoder(x).values():
        assert np.isfinite(array).all()


def test_another_type_is_refused(encoder):
    with pytest.raises(
        ValueError, match=r"is float64; expected float32|are float64; expected uint"
    ):
        encoder(media(encoder).astype(np.float64))


def test_a_missing_axis_is_refused(encoder):
    with pytest.raises(ValueError, match=r"shape \(4, .*expected \(row, "):
        encoder(media(encoder)[:, 0])


def test_no_rows_are_refused(encoder):
    with pytest.raises(ValueError, match=r"shape \(0, .*expected \(row, "):
        encoder(media(encoder, rows=0))


@EACH
def test_an_unknown_scope_is_refused(name):
    with pytest.raises(ValueError, match="scope is 'second'; expected 'segment' or 'clip'"):
        make(name, scope="second")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("config", "x", "keys and values"),
        ("name", 5, "a text"),
        ("revision", 5, "a text; digits alone are one in quotes"),
        ("seed", "x", "a whole number"),
        ("batch_size", 0, "a whole number from 1 on"),
        ("sample_rate", "16000", "a whole number from 1 on, in Hz"),
        ("sample_rate", True, "a whole number from 1 on, in Hz"),
    ],
)
def test_an_argument_of_another_type_is_refused(key, value, expected):
    with pytest.raises(ValueError, match=f"{key} of ast is {value!r}, expected {expected}"):
        avsc.encoders.create("ast", **{key: value})


@EACH
def test_an_unknown_argument_is_a_type_error(name):
    with pytest.raises(TypeError, match="colour"):
        make(name, colour=1)


@EACH
def test_a_segment_is_one_second(name):
    encoder, clips = make(name), make(name, scope="clip")
    with pytest.raises(ValueError, match="scope"):
        encoder(media(clips))


@EACH
def test_arguments_say_what_an_encoder_is(name):
    made = make(name)
    found = {
        "sample_rate": made.modality == "audio",
        "weights": isinstance(made, Network),
        "classes": isinstance(made, Tagger),
    }
    expected = {key: name in taking(key) for key in found}
    assert found == expected, "sound has sample_rate, a network weights, and a tagger classes"


@pytest.mark.parametrize("name", HEARING)
@pytest.mark.parametrize("scope", SCOPES)
def test_sound_at_another_sample_rate_is_refused(name, scope):
    with pytest.raises(ValueError, match=r"44100 samples; scope .* of 16000 samples; leave s"):
        make(name, scope=scope)(np.zeros((1, 2, 44100), np.float32))


@pytest.mark.parametrize("name", HEARING)
def test_sound_that_is_not_finite_is_refused(name):
    encoder = make(name)
    x = media(encoder)
    x[2, 1, 77] = np.nan
    with pytest.raises(ValueError, match="row 2 of the waveform holds NaN"):
        encoder(x)


@pytest.mark.parametrize("name", TAGGERS)
def test_a_tagger_has_a_logit_for_each_class_it_names(name):
    tagger = make(name)
    assert tagger.classes == arguments(name)["classes"]
    assert tagger(media(tagger))["logits"].shape == (4, len(tagger.classes))


@pytest.mark.parametrize("name", TAGGERS)
def test_a_taggers_model_on_prepared_input_is_the_tagger(name):
    tagger = make(name)
    x = media(tagger)
    with torch.inference_mode():
        embedding, logits = tagger.model(tagger.prepare(x))
    close(tagger(x), {"embedding": embedding.numpy(), "logits": logits.numpy()})


@pytest.mark.parametrize("name", TAGGERS)
def test_the_batch_size_does_not_matter(name):
    x = media(make(name))
    close(make(name, batch_size=3)(x), make(name, batch_size=1)(x))


@pytest.mark.parametrize("name", TAGGERS)
def test_one_seed_draws_the_same_bits_twice_and_another_seed_draws_others(name):
    one, same, other = (make(name, seed=s)(media(make(name))) for s in (1, 1, 2))
    np.testing.assert_array_equal(one["logits"], same["logits"])
    apart(one["logits"], other["logits"], "logits of two seeds")


@pytest.mark.parametrize("name", TAGGERS)
def test_making_and_using_a_tagger_leaves_the_callers_generators_alone(name):
    torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002 (the global one)
    expected = torch.rand(1), np.random.rand()  # noqa: NPY002
    torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002
    tagger = make(name)
    make(name, weights=tagger.model.state_dict())(media(tagger))
    assert (torch.rand(1), np.random.rand()) == expected  # noqa: NPY002


@pytest.mark.parametrize("name", TAGGERS)
def test_a_state_dict_brings_the_whole_tagger_back(name):
    tagger = make(name, seed=3)
    x = media(tagger)
    back = make(name, weights=tagger.model.state_dict())(x)
    for key, array in tagger(x).items():
        np.testing.assert_array_equal(back[key], array)


@pytest.mark.parametrize("name", TAGGERS)
def test_training_a_tagger_leaves_the_state_dict_it_came_from_alone(name):
    state = make(name).model.state_dict()
    before = {k: v.clone() for k, v in state.items()}
    tagger = make(name, weights=state)
    with torch.no_grad():
        for parameter in tagger.model.parameters():
            parameter += 1
    assert all(torch.equal(state[k], before[k]) for k in state)


@pytest.mark.parametrize("name", TAGGERS)
def test_a_tagger_can_be_trained_and_encodes_in_evaluation_mode_afterwards(name):
    tagger = make(name)
    x = media(tagger)
    tagger.model.train()
    embedding, logits = tagger.model(tagger.prepare(x))
    (embedding.sum() + logits.sum()).backward()
    assert [n for n, p in tagger.model.named_parameters() if p.grad is None] == []
    tagger(x)
    assert not tagger.model.training


@pytest.mark.parametrize("name", TAGGERS)
def test_weights_that_do_not_fit_are_all_named_in_one_error(name):
    state = dict(make(name).model.state_dict())
    missing, misshapen = [k for k in state if k.endswith("weight")][:2]
    del state[missing]
    state[misshapen] = torch.zeros(7)
    state["unheard_of"] = torch.zeros(1)
    with pytest.raises(ValueError, match="do not fit the model") as error:
        make(name, weights=state)
    for found in (f"{missing} missing", "unheard_of unexpected", f"{misshapen} (7,) for ("):
        assert found in str(error.value)


@pytest.mark.parametrize("name", TAGGERS)
def test_a_word_that_names_no_weights_is_refused(name):
    with pytest.raises(ValueError, match="weights is 'best'; expected 'pretrained', 'random' or a"):
        make(name, weights="best")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", TAGGERS)
def test_the_gpu_gives_what_the_cpu_gives(name):
    x = media(make(name))
    on_gpu = make(name, device="cuda")(x)
    for key, array in make(name)(x).items():
        np.testing.assert_allclose(on_gpu[key], array, atol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_encodes_and_learns_on_a_second_device(name):
    there = make(name)
    x = media(there)
    with a_second_device() as device:
        there.model.to(device)
        found = there(x)
        there.model.train()(there.prepare(x).to(device))[0].sum().backward()
    expected = make(name)(x)
    for key, array in expected.items():
        np.testing.assert_allclose(found[key], array, atol=1e-5)


def test_an_encoder_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(
        ValueError, match=r"no encoder 'vggish'; avsc/encoders has ast, clap, fbank"
    ):
        avsc.encoders.create("vggish")


def test_a_shared_file_is_no_encoder():
    with pytest.raises(ValueError, match="no encoder '_mel'"):
        avsc.encoders.create("_mel")
