import csv
import hashlib
import logging
import shutil
from pathlib import Path

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


def edit_params(**changes):
    path = Path("params.yaml")
    tree = yaml.safe_load(path.read_text())
    tree["decode"] |= changes
    path.write_text(yaml.safe_dump(tree))


def decoded():
    """Run the stage and return its files."""
    decode.main()
    return {p.name: p.read_bytes() for p in Path("data/media").iterdir()}


def decoded_from_nothing():
    for folder in ("data/media", ".avsc"):
        shutil.rmtree(folder)
    return decoded()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    "change", [{"sample_rate": 8000}, {"short_side_px": 24}, {"jpeg_quality": 60}]
)
def test_another_parameter_decodes_all_clips_again(change):
    before = decoded()
    edit_params(**change)
    after = decoded()
    assert not before.items() & after.items()
    assert after == decoded_from_nothing()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("kind", ["audio", "video"])
def test_another_file_decodes_its_clip_again(kind):
    before = decoded()
    path = Path("data/manifest/media.csv")
    rows = manifest.read(path, manifest.MEDIA)
    row = {r["clip_id"]: r for r in rows}
    for key in (kind, f"{kind}_sha256"):
        row["regular"][key] = row["surround"][key]
    manifest.write(path, manifest.MEDIA, rows)
    after = decoded()
    assert after != before
    assert after == decoded_from_nothing()


def test_a_file_that_has_changed_since_it_was_indexed_is_refused(project):
    (row, *_) = manifest.read(Path("data/manifest/media.csv"), manifest.MEDIA)
    with (project / row["video"]).open("ab") as f:
        f.write(b"x")
    with pytest.raises(ValueError, match=rf"{row['video']} has changed since it was indexed; if"):
        decode.main()
