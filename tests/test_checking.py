from avsc import checking


def test_only_files_inside_the_root_are_opened(tmp_path):
    root = tmp_path / "set"
    for path in ("set/a.wav", "set/a.mp4", "secret.wav"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    (root / "link.wav").symlink_to(tmp_path / "secret.wav")
    rows = ["a.wav", "../secret.wav", str(tmp_path / "secret.wav"), "link.wav"]
    lines = ["filename_audio\tfilename_video", *(f"{row}\ta.mp4" for row in rows)]
    (root / "meta.csv").write_text("\n".join(lines))
    assert checking.listed(root) == [(root / "a.wav", root / "a.mp4")]
