import csv
import hashlib
import logging

import pytest
import yaml

from avsc.artifacts import manifest
from stages import decode
from tests.media import corpus
from tests.media.corpus import Case

FILES = {
    "surround": Case("mov", "pcm_s16le", "mpeg4", channels=6),
    "regular": Case("mkv", "pcm_s16le", "mpeg4"),
    "unnamed": Case("mkv", "pcm_s16le", "mpeg4", channels=8),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a clip of 5.1, a regular one, and one with channels that nobody names."""
    monkeypatch.chdir(tmp_path)
    rows = []
    for clip_id, case in FILES.items():
        path = corpus.write(case, tmp_path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files = dict.fromkeys(("audio", "video"), path.name)
        digests = {f"{kind}_sha256": digest for kind in ("audio", "video")}
        rows.append({"clip_id": clip_id, "fold": "train", **files, **digests})
    manifest.write(tmp_path / "data/manifest/media.csv", manifest.MEDIA, rows)
    params = {
        "data": "toy",
        "executor": "local",
        "index": {"root": "."},
        "decode": {
            "on_error": "quarantine",
            "seconds": 3,
            "sample_rate": 16000,
            "short_side_px": 32,
            "jpeg_quality": 90,
        },
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return tmp_path


def test_a_clip_that_was_put_right_is_named_with_a_note(project, caplog):
    with caplog.at_level(logging.WARNING):
        decode.main()
    notes = [record.getMessage() for record in caplog.records]
    assert notes == ["surround: 6 channels (FL+FR+FC+LFE+BL+BR) are mixed down to stereo"]
    (counts,) = csv.DictReader((project / "metrics/decode.csv").read_text().splitlines())
    assert (counts["clips"], counts["quarantined"]) == ("3", "1")
    assert "8 channels (unnamed), expected" in (project / "data/quarantine.csv").read_text()
