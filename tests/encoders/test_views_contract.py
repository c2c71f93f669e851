"""What the views of every file of avsc/encoders/ must do; a new one is tested by being there."""

import numpy as np
import pytest
import torch

from tests.encoders.contract import NAMES, NETWORKS, SCOPES, apart, make, media


@pytest.fixture(scope="module", params=[(n, s) for n in NAMES for s in SCOPES], ids="-".join)
def encoder(request):
    name, scope = request.param
    return make(name, scope=scope)


def test_the_first_view_has_the_bits_of_the_plain_embedding(encoder):
    x = media(encoder)
    views, plain = encoder.views(x, count=3, seed=0), encoder(x)["embedding"]
    assert views.shape == (4, 3, *plain.shape[1:])
    assert views.dtype == np.float32
    np.testing.assert_array_equal(views[:, 0], plain)
    np.testing.assert_array_equal(encoder.views(x, count=1, seed=0)[:, 0], plain)


def test_no_two_views_of_a_row_are_alike(encoder):
    for row in encoder.views(media(encoder), count=3, seed=0):
        for one, other in [(0, 1), (0, 2), (1, 2)]:
            apart(row[one], row[other], f"views {one} and {other} of a row")


def test_a_seed_gives_its_views_bit_for_bit_and_another_gives_others(encoder):
    x = media(encoder)
    first, again, other = (encoder.views(x, count=2, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    apart(first[:, 1], other[:, 1], "views of two seeds")


def test_more_views_leave_the_earlier_ones_as_they_are(encoder):
    x = media(encoder)
    more = encoder.views(x, count=4, seed=0)
    np.testing.assert_array_equal(more[:, :2], encoder.views(x, count=2, seed=0))


def test_a_row_has_its_views_alone_and_in_any_company_and_order(encoder):
    x, other, order = media(encoder), media(encoder, seed=1), [2, 0, 3, 1]
    views = encoder.views(x, count=3, seed=0)
    other[2] = x[1]
    alone = encoder.views(x[1:2], count=3, seed=0)[0]
    in_company = encoder.views(other, count=3, seed=0)[2]
    for found in (alone, in_company):
        np.testing.assert_allclose(found, views[1], rtol=1e-5, atol=1e-5)
    reordered = encoder.views(x[order], count=3, seed=0)
    np.testing.assert_allclose(reordered, views[order], rtol=1e-5, atol=1e-5)


def test_views_leave_the_input_and_the_callers_generators_alone(encoder):
    torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002 (the global one)
    expected = torch.rand(1), np.random.rand()  # noqa: NPY002
    torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002
    x = media(encoder)
    x.flags.writeable = False
    encoder.views(x, count=2, seed=0)
    assert (torch.rand(1), np.random.rand()) == expected  # noqa: NPY002


@pytest.mark.parametrize("fill", ["least", "most"])
def test_views_of_silence_black_and_full_scale_are_finite(encoder, fill):
    x = media(encoder)
    x[:] = 0 if fill == "least" else 255 if encoder.modality == "video" else 1
    assert np.isfinite(encoder.views(x, count=4, seed=0)).all()


def test_no_view_at_all_is_refused(encoder):
    with pytest.raises(ValueError, match=r"count is 0; expected 1 \(the plain embedding alone"):
        encoder.views(media(encoder), count=0, seed=0)


def test_a_limit_that_an_encoder_does_not_know_is_a_type_error(encoder):
    with pytest.raises(TypeError, match="colour"):
        encoder.views(media(encoder), count=2, seed=0, colour=0.5)


def test_views_refuse_what_the_encoder_refuses(encoder):
    with pytest.raises(ValueError, match=r"shape \(4, .*expected \(row, "):
        encoder.views(media(encoder)[:, 0], count=2, seed=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", NETWORKS)
def test_the_gpu_gives_the_views_that_the_cpu_gives(name):
    x = media(make(name))
    on_gpu = make(name, device="cuda").views(x, count=3, seed=0)
    np.testing.assert_allclose(on_gpu, make(name).views(x, count=3, seed=0), atol=1e-3)
