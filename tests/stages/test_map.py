"""map: what cannot be drawn is refused; the toy project draws what can."""

from types import SimpleNamespace

import pytest
from torch import nn

from stages import map as stage
from tests import params_files


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (
            "classes",
            "map.learned draws the classes of early, whose head has no class_weights; take",
        ),
        (
            "embedding",
            "map.learned draws the embedding of early, whose head has no embedding; take",
        ),
        ("weights", "map.learned.of: expected embedding or classes, got 'weights'"),
    ],
)
def test_a_head_that_has_not_what_is_asked_for_is_refused(tmp_path, monkeypatch, of, message):
    monkeypatch.chdir(tmp_path)
    block = {"experiment": "early", "inputs": "av", "labels": "none", "of": of}
    params_files.write(tmp_path, {"map": {"learned": block}})
    bare = SimpleNamespace(system=SimpleNamespace(head=nn.Identity()))
    monkeypatch.setattr(stage.experiment, "restore", lambda _: bare)
    with pytest.raises(ValueError, match=message):
        stage.main("learned")
