"""What `avsc predict` says of a file, beside what the pipeline says of it."""

import numpy as np
import pytest

from avsc import prediction, recording, trained
from avsc.artifacts import predictions


@pytest.mark.slow
def test_a_clip_of_the_data_set_gets_the_probabilities_of_the_pipeline(reproduced):
    root = reproduced.root / "data/raw/demo"
    for name in ("audio", "fused", "teacher"):
        p = trained.load(name, reproduced.root)
        for split in ("val", "test"):
            expected = predictions.read(reproduced.root / f"data/predictions/{name}.parquet", split)
            for clip in sorted(set(expected.clip_id)):
                files = root / f"video/{clip}.mp4", root / f"audio/{clip}.wav"
                found = prediction.predict(p, recording.read(*files, p.decode))
                rows = [i for i, c in enumerate(expected.clip_id) if c == clip]
                np.testing.assert_allclose(found.probs, expected.probs[rows], atol=1e-6)


@pytest.mark.slow
def test_the_files_of_a_clip_may_be_given_to_the_command(reproduced):
    clip = predictions.read(reproduced.root / "data/predictions/fused.parquet", "val").clip_id[0]
    files = (f"data/raw/demo/{kind}" for kind in (f"video/{clip}.mp4", f"audio/{clip}.wav"))
    video, audio = files
    done = reproduced.run("avsc", "predict", video, "--audio", audio, "--format", "csv")
    assert len(done.stdout.splitlines()) == 1 + 1 + 2  # header, whole, seconds
