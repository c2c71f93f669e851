import pytest

from avsc.artifacts import manifest

ROW = {
    "clip_id": "a",
    "scene_label": "park",
    "city": "ö",
    "location": "ö-1",
    "split": "val",
    "x": "no",
}


def test_named_columns_come_back_and_others_stay_out(tmp_path):
    manifest.write(tmp_path / "m.csv", manifest.LABELS, [ROW])
    (back,) = manifest.read(tmp_path / "m.csv", manifest.LABELS)
    assert back == {k: v for k, v in ROW.items() if k != "x"}


def test_other_columns_are_refused(tmp_path):
    (tmp_path / "m.csv").write_bytes(manifest.sealed(b"clip_id,scene,\na,park,\n"))
    with pytest.raises(
        ValueError, match=r"has columns \['clip_id', 'scene', 'sha256 .*'\], expected"
    ):
        manifest.read(tmp_path / "m.csv", manifest.LABELS)


@pytest.mark.parametrize("row", ["a,why,more,", "a,"])
def test_a_ragged_row_is_named_by_its_line(tmp_path, row):
    content = f"clip_id,cause,\na,b,\n{row}\n".encode()
    (tmp_path / "m.csv").write_bytes(manifest.sealed(content))
    with pytest.raises(ValueError, match=r"m\.csv:3 has [24] fields, expected 3"):
        manifest.read(tmp_path / "m.csv", manifest.QUARANTINE)
