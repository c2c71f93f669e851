"""map: what cannot be drawn is refused; the toy project draws what can."""

from types import SimpleNamespace

import pytest
import yaml
from torch import nn

from stages import map as stage


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
        ("weights", "map.learned.of is 'weights', expected embedding or classes"),
    ],
)
def test_a_head_that_has_not_what_is_asked_for_is_refused(tmp_path, monkeypatch, of, message):
    monkeypatch.chdir(tmp_path)
    asked = {"map": {"learned": {"experiment": "early", "of": of}}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(asked))
    bare = SimpleNamespace(system=SimpleNamespace(head=nn.Identity()))
    monkeypatch.setattr(stage.experiment, "restore", lambda _: bare)
    with pytest.raises(ValueError, match=message):
        stage.main("learned")
