"""Encoders and media for the contract tests; an encoder that cannot be made fails its own tests."""

import ast
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import avsc.encoders

NAMES = avsc.encoders.names()


def taking(argument):
    """Return the encoders whose source gives `Encoder` this argument; none is imported.

    So a file that cannot be imported fails its own tests and stops no others.
    """
    return [name for name in NAMES if argument in _arguments_of_encoder(name)]


def _arguments_of_encoder(name):
    try:
        tree = ast.parse((Path(avsc.encoders.__file__).parent / f"{name}.py").read_text("utf-8"))
    except SyntaxError:  # its tests say so
        return []
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Encoder"]
    inits = [n for c in classes for n in c.body if getattr(n, "name", "") == "__init__"]
    return [a.arg for init in inits for a in init.args.kwonlyargs]


TAGGERS, NETWORKS, HEARING = taking("classes"), taking("weights"), taking("sample_rate")
SCOPES = ["segment", "clip"]
LACKING = {
    "VERSION": "a whole number, raised whenever the encoder's numbers change",
    "TINY": "the arguments of its smallest Encoder",
    "Encoder": "the class, as avsc/encoders/__init__.py describes it",
}
APART = 1e-4  # of the size of embeddings: what two different rows differ by at least


def arguments(name):
    """Return TINY of an encoder."""
    file = import_module(f"avsc.encoders.{name}")
    for attribute, what in LACKING.items():
        if not hasattr(file, attribute):
            pytest.fail(f"avsc/encoders/{name}.py lacks {attribute}: {what}", pytrace=False)
    return file.TINY


def make(name, **params):
    """Return the smallest encoder of a file."""
    return avsc.encoders.create(name, **{**arguments(name), **params})


def media(encoder, *, rows=4, seed=0):
    """Return rows of noise that the encoder takes; two seconds each where it takes clips."""
    rng, seconds = np.random.default_rng(seed), 2 if encoder.scope == "clip" else 1
    if encoder.modality == "video":
        return rng.integers(0, 256, (rows, seconds, 48, 64, 3), dtype=np.uint8)
    return rng.uniform(-0.5, 0.5, (rows, 2, seconds * 16000)).astype(np.float32)


def close(found, expected):
    """Check that arrays are equal but for rounding, however small their numbers are."""
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        size = float(np.abs(array).max())
        np.testing.assert_allclose(found[key], array, rtol=1e-5, atol=1e-5 * size, err_msg=key)


def apart(one, other, what):
    """Check that two arrays differ by more than rounding, however small their numbers are."""
    size, most = float(np.abs([one, other]).max()), float(np.abs(one - other).max())
    if most <= APART * size or size == 0:
        pytest.fail(
            f"{what} are equal: they differ by {most:.1e}, their numbers reach {size:.1e}. Either "
            "the encoder does not look at its input or seed, or its random network lets nothing "
            "through: give TINY fewer layers, or draw weights that keep the scale (no layer may "
            "start at zero)",
            pytrace=False,
        )
