"""Every file of the corpus gives its seconds, or one clear refusal; none ends the process.

Tolerances: sound lies within TOLERANCE_S of where it was written (more by an encoder's delay, where
the file does not declare it), its level within a quarter, gray within 14 of 255.
"""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.media import cases, corpus
from tests.media.corpus import LEFT_HZ, RIGHT_HZ

pytestmark = pytest.mark.timeout(300, method="thread")

ROOT = Path(__file__).parents[2]
RATE_HZ = 16000
WINDOW = 1280  # samples: 80 ms, a whole number of periods of every tone
TOLERANCE_S = 0.03
# Of these, no player knows how many samples the encoder put in front.
DELAYED = {"aac": 2048, "mp2": 1105, "ac3": 512, "eac3": 512, "wmav2": 4096, "wmav1": 4096}
DELAY_JOINED_S = 0.15  # padding after the first file, and the delay of the second
GRAY, SILENCE = 14, 0.05
LEVEL = {"libopencore_amrnb": 0.5}  # of the amplitude; 0.25 for others


class Reader:
    """A child that reads files; another takes its place when it dies."""

    def __init__(self):
        self.child = None

    def __call__(self, path):
        """Return the answer: read, refused, or died."""
        if self.child is None or self.child.poll() is not None:
            self.close()
            self.child = subprocess.Popen(
                [sys.executable, "-m", "tests.media.reader"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        self.child.stdin.write(f"{path}\n")
        self.child.stdin.flush()
        return self.child.stdout.readline().rstrip() or f"died with {self.child.wait()}"

    def close(self):
        if self.child is not None:
            self.child.communicate()


@pytest.fixture(scope="module")
def reader():
    child = Reader()
    yield child
    child.close()


def check(case, reader, folder):
    path = corpus.write(case, folder)
    answer = reader(path)
    if case.refusal:
        assert re.match(
            rf"refused {re.escape(str(path))} at -?\d+\.\d+ s: .*(?:{case.refusal})", answer
        )
        return
    assert answer.startswith("read"), answer
    with np.load(f"{path}.npz") as found:
        _check_content(case, found)


def _check_content(case, found):
    start, waveform, grays = int(found["start"]), found["waveform"], found["grays"]
    seconds = max(len(waveform), len(grays))
    expected = cases.seconds(case)
    assert range(start, start + seconds) in expected
    if case.sound:
        assert waveform.shape == (seconds, 2, RATE_HZ)
        _check_sound(case, start, waveform)
    if case.pictures:
        shown = [corpus.gray_at(case, start + k + 0.5) for k in range(seconds)]
        np.testing.assert_allclose(grays, shown, atol=GRAY)


def _check_sound(case, start, waveform):
    slack = TOLERANCE_S + DELAYED.get(case.sound, 0) / case.rate_hz
    slack += DELAY_JOINED_S if case.oddity.startswith("joined") else 0
    checked = 0
    for k, second in enumerate(waveform):
        for first in range(0, RATE_HZ - WINDOW + 1, WINDOW // 2):
            at = start + k + first / RATE_HZ
            tones = corpus.sound_at(case, at - slack, at + WINDOW / RATE_HZ + slack)
            if len(tones) > 1:
                continue  # the tone changes near by
            (tone,) = tones
            checked += 1
            for channel, hz in zip(second, (LEFT_HZ, RIGHT_HZ), strict=True):
                levels = _levels(channel[first : first + WINDOW], LEFT_HZ + RIGHT_HZ)
                if case.channels == 1:
                    hz = LEFT_HZ  # both are the one channel
                wanted = {} if tone is None else {hz[tone]: corpus.level(case)}
                for each, found in levels.items():
                    close = max(LEVEL.get(case.sound, 0.25) * wanted.get(each, 0), SILENCE)
                    assert abs(found - wanted.get(each, 0)) < close, (at, each, found)
    assert checked >= 5 * len(waveform)  # of 24 windows a second


def _levels(window, tones_hz):
    t = np.arange(WINDOW) / RATE_HZ
    return {hz: 2 * abs(np.mean(window * np.exp(-2j * np.pi * hz * t))) for hz in tones_hz}


@pytest.mark.parametrize("case", cases.DEFAULT, ids=lambda case: case.name)
def test_a_file_gives_its_seconds_or_a_refusal(case, reader, tmp_path):
    check(case, reader, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("case", cases.NIGHTLY, ids=lambda case: case.name)
def test_many_files_give_their_seconds_or_a_refusal(case, reader, tmp_path):
    check(case, reader, tmp_path)


def test_the_corpus_is_as_large_as_stated():
    assert len(set(cases.DEFAULT)) == len(cases.DEFAULT) >= 60
    assert len({*cases.DEFAULT, *cases.NIGHTLY}) >= 400


def test_a_reader_that_dies_is_an_answer(reader, tmp_path):
    reader(tmp_path / "absent.mp4")
    reader.child.kill()
    reader.child.wait()
    assert reader(tmp_path / "absent.mp4").startswith("refused")
