from pathlib import Path

import numpy as np
import soundfile

from avsc import checking
from avsc.threads import AHEAD


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


def test_a_sound_that_decode_would_refuse_is_named(tmp_path):
    sound = np.zeros((16000, 2), np.float32)
    sound[8000] = np.nan
    soundfile.write(tmp_path / "a.wav", sound, 16000, subtype="FLOAT")
    pair = (tmp_path / "a.wav", tmp_path / "a.mp4")
    [(_, (heard, _))] = checking.damages([pair], seconds=1, threads=1)
    assert "a.wav at 0.500 s: a sample is not finite" in heard


def test_check_that_is_broken_off_opens_no_more_than_it_was_ahead(monkeypatch):
    opened = []
    monkeypatch.setattr(checking, "_objections", lambda _, file, __: opened.append(file) or [])
    pairs = [(Path(f"{i}.wav"), Path(f"{i}.mp4")) for i in range(1000)]
    found = checking.damages(pairs, seconds=1, threads=2)
    assert next(found) == (pairs[0], [])
    found.close()
    assert len(opened) <= 2 * 2 * AHEAD
