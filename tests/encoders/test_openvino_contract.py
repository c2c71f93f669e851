"""What every network of avsc/encoders/ gives by OpenVINO; a new one is tested by being there."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from avsc.precision import How, tune
from tests.encoders.contract import NETWORKS, SCOPES, make, media

pytest.importorskip("avsc.openvino", reason="needs the extra openvino")
BY_OPENVINO = How(engine="openvino")


def by_openvino(*args, **params):
    encoder = make(*args, **params)
    tune(encoder.model, BY_OPENVINO)
    return encoder


def same_bits(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


LEFT_OUT = {"clip": pytest.mark.nightly}  # as a second is, but longer
NAMED = [pytest.param((n, s), marks=LEFT_OUT.get(s, ())) for n in NETWORKS for s in SCOPES]


@pytest.fixture(scope="module", params=NAMED, ids="-".join)
def named(request):
    return request.param


@pytest.fixture(scope="module")
def encoder(named):
    name, scope = named
    return by_openvino(name, scope=scope)


def test_it_gives_what_torch_gives(named, encoder):
    name, scope = named
    x = media(encoder)
    found, expected = encoder(x), make(name, scope=scope)(x)
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        assert found[key].dtype == np.float32
        np.testing.assert_allclose(found[key], array, rtol=1e-4, atol=1e-5)


def test_a_row_has_the_bits_alone_that_it_has_in_company(encoder):
    x = media(encoder)
    whole = encoder(x)
    for row in range(len(x)):
        same_bits(encoder(x[row : row + 1]), {k: v[row : row + 1] for k, v in whole.items()})


@pytest.mark.slow
def test_any_number_of_cores_and_threads_gives_the_same_bits(named, encoder, monkeypatch):
    name, scope = named
    x = media(encoder)
    expected = encoder(x)
    for cores in ("1", "3"):
        monkeypatch.setenv("AVSC_CORES", cores)
        again = by_openvino(name, scope=scope)
        same_bits(again(x), expected)  # before threads are at work
        with ThreadPoolExecutor(3) as pool:
            for found in pool.map(again, [x] * 4):
                same_bits(found, expected)


def test_views_are_the_plain_embedding_and_those_of_torch(named, encoder):
    name, scope = named
    x = media(encoder)
    views = encoder.views(x, count=2, seed=0)
    np.testing.assert_array_equal(views[:, 0], encoder(x)["embedding"])
    expected = make(name, scope=scope).views(x, count=2, seed=0)
    np.testing.assert_allclose(views, expected, rtol=1e-4, atol=1e-5)
