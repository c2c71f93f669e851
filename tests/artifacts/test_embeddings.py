import json

import numpy as np
import pytest

from avsc.artifacts import embeddings
from tests.artifacts import toy_shards

ROWS = np.arange(4, dtype=np.float32).reshape(2, 2)


def test_logits_of_an_encoder_without_classes_are_refused_with_what_to_do(tmp_path):
    about = {"scope": "segment", "classes": json.dumps([])}
    toy_shards.write(
        tmp_path / "a.h5", {"x": ("1", {"embedding": ROWS})}, about=about, quarantined={}
    )
    np.testing.assert_array_equal(embeddings.read(tmp_path, ["x"]).rows, ROWS)
    with pytest.raises(ValueError, match=r"an encoder without classes, no tagger; name one that"):
        embeddings.read(tmp_path, ["x"], "logits")
