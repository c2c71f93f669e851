import math
from pathlib import Path

import pytest

from avsc.artifacts import model_config

RIGHT = {
    "head": "early",
    "hparams": {"widths": [8], "dropout": 0.2},
    "standardise": True,
    "scope": "segment",
    "dropped": [],
    "inputs": {"audio": "ast"},
    "shapes": {"audio": [16], "events": [5]},
    "scenes": ["bus", "park"],
}


def check(config, **shapes):
    model_config.check(Path("m/config.json"), config, shapes)


def test_config_of_a_model_is_accepted():
    check(RIGHT)


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        ("head", [None, 1, ["early"]], "head to be a name"),
        ("hparams", [None, [1], "x"], "hparams to be keys and values"),
        ("standardise", [None, 1, "yes"], "standardise to be true or false"),
        ("scope", [None, "second", 1], "scope to be segment or clip"),
        (
            "dropped",
            [None, "audio", [1], [["audio"]], ["video"], ["audio", "smell"]],
            "dropped to name modalities of inputs",
        ),
        ("inputs", [None, ["audio"], {}, {"audio": ""}, {"smell": "x"}], "inputs to name encoders"),
        (
            "shapes",
            [None, [], {}, *({"audio": shape} for shape in ([], [-1], [1.5], [True], 16))],
            "shapes to be numbers from 1 on for each of inputs",
        ),
        (
            "shapes",
            [{"video": [16]}, {"audio": [16], "smell": [1]}],
            "shapes to be numbers from 1 on for each of inputs",
        ),
        (
            "scenes",
            [None, [], ["bus"], ["bus", "bus"], ["bus", ""], ["bus", 1], "bus"],
            "scenes to be two or more different names",
        ),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(key, values, expected):
    for value in values:
        with pytest.raises(
            ValueError, match=rf"m/config\.json describes no .* expected {expected}"
        ):
            check(RIGHT | {key: value})
    with pytest.raises(ValueError, match=f"expected {expected}"):
        check({k: v for k, v in RIGHT.items() if k != key})


def test_numbers_of_hparams_are_bounded_by_the_weights():
    for hparams in ({"layers": 10**9}, {"widths": [8, -(10**9)]}, {"c": {"d": math.nan}}):
        with pytest.raises(ValueError, match="expected numbers of hparams to be at most 65536"):
            check(RIGHT | {"hparams": hparams})
    check(RIGHT | {"hparams": {"width": 10**6}}, weight=(10**6, 2))
