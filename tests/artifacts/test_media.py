import numpy as np

from avsc.artifacts import media
from tests.artifacts import toy_shards

WAVEFORM = np.linspace(-1, 1, 2 * 2 * 4, dtype=np.float32).reshape(2, 2, 4)


def test_a_clip_comes_back_from_a_shard(tmp_path):
    clip = media.arrays(WAVEFORM, [b"first", b"2nd"])
    toy_shards.write(tmp_path / "s.h5", {"a": ("k", clip)}, about={}, quarantined={})
    library = media.Library(tmp_path)
    assert library.key == {"a": "k"}
    back = library.read("a", ["waveform", "jpeg", "jpeg_length"])
    np.testing.assert_array_equal(back["waveform"], WAVEFORM)
    assert media.pictures(back) == [b"first", b"2nd"]
