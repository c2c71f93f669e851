from itertools import pairwise

import av
import numpy as np
import pytest
import soxr

from avsc.datasets import demo
from avsc.datasets.demo import acoustics, labelled, objects, pictures, recording, signals, sounds

CALM = pictures.Look(
    backdrop_seed=1, gain=(1.0, 1.0, 1.0), brightness=0.0, contrast=1.0, grain=0.0, shake=0.0
)
SMALL = {"width_px": 96, "height_px": 72}


def only(name: str, names: tuple[str, ...], seconds: str) -> np.ndarray:
    """Return a mask of `name` alone: `seconds` is a string such as "01" for off, on."""
    mask = np.zeros((len(seconds), len(names)), bool)
    mask[:, names.index(name)] = [digit == "1" for digit in seconds]
    return mask


@pytest.mark.parametrize("event", demo.EVENTS)
def test_every_sound_has_unit_power_and_starts_and_ends_in_silence(event):
    sound = sounds.synthesize(demo.EVENTS.index(event), np.random.default_rng(0), 16000)
    assert (sound.dtype, sound.shape) == (np.float32, (16000,))
    assert np.mean(sound**2) == pytest.approx(1, rel=0.1)
    assert sound[0] == sound[-1] == 0


@pytest.mark.parametrize("event", demo.EVENTS)
def test_an_event_is_heard_in_each_of_its_seconds_and_in_no_other(event):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        mix = acoustics.play(rng, only(event, demo.EVENTS, "0110"))
        power = (mix**2).mean(axis=0).reshape(4, 16000).mean(axis=1)
        assert power[0] == power[3] == 0
        assert power[1:3].min() > 0.05 * power[1:3].max()


def test_a_sound_of_no_event_is_background_alone():
    mix = acoustics.play(np.random.default_rng(0), np.zeros((1, len(demo.EVENTS)), bool))
    place = acoustics.Acoustics.draw(np.random.default_rng(0))
    assert not mix.any()
    assert acoustics.record_narrow(np.random.default_rng(0), mix, place).any()


def test_what_trains_taggers_is_what_the_wavs_hold_at_16_khz():
    place = acoustics.Acoustics.draw(np.random.default_rng(1))
    mix = acoustics.play(np.random.default_rng(2), only("music", demo.EVENTS, "111"))
    wide = acoustics.record(np.random.default_rng(3), mix, place)
    narrow = acoustics.record_narrow(np.random.default_rng(3), mix, place)
    resampled = soxr.resample(wide.T, 48000, 16000, "HQ").T
    error = np.sqrt(np.mean((resampled - narrow) ** 2) / np.mean(narrow**2))
    assert error < 0.01


def test_a_recording_at_48_khz_holds_something_above_8_khz():
    place = acoustics.Acoustics.draw(np.random.default_rng(1))
    mix = acoustics.play(np.random.default_rng(2), only("hum", demo.EVENTS, "1"))
    wide = acoustics.record(np.random.default_rng(3), mix, place)
    power = np.abs(np.fft.rfft(wide[0])) ** 2  # a bin is a hertz
    assert power[8001:].sum() > 1e-6 * power.sum()


def test_a_loud_mix_is_turned_down_below_full_scale():
    place = acoustics.Acoustics.draw(np.random.default_rng(1))
    loud = np.full((2, 16000), 50, np.float32) * np.float32([1, -1] * 8000)
    recorded = acoustics.record(np.random.default_rng(3), loud, place)
    assert np.abs(recorded).max() == pytest.approx(acoustics.PEAK)


def test_a_band_passes_its_middle_and_stops_an_octave_outside():
    seconds = np.arange(16000) / 16000
    inside, outside = (np.sin(2 * np.pi * hz * seconds).astype(np.float32) for hz in (1000, 4000))
    passed, stopped = (signals.band(x, 500, 2000, order=4) for x in (inside, outside))
    assert np.mean(passed**2) == pytest.approx(0.5, rel=0.02)
    # 4000 Hz is an octave above 2000 Hz: 1 / (1 + 2^8) of the power
    assert np.mean(stopped**2) == pytest.approx(0.5 / (1 + 2**8), rel=0.02)


def test_a_phase_of_440_hz_wraps_440_times_a_second():
    wraps = np.diff(signals.phase(440.5, 16000)) < 0
    assert wraps.sum() == 440


@pytest.mark.parametrize("name", demo.OBJECTS)
def test_every_object_leaves_its_mark_in_the_picture(name):
    for seed in range(5):
        shown, hidden = (
            pictures.wide(
                np.random.default_rng(seed), only(name, demo.OBJECTS, digit), CALM, **SMALL
            )[0]
            for digit in "10"
        )
        for aim in ([-1, -1], [1, 1]):
            seen = [
                pictures.crop(picture, np.array(aim, float), **SMALL).astype(int)
                for picture in (shown, hidden)
            ]
            assert np.mean(np.abs(seen[0] - seen[1]).max(axis=-1) > 20) > 0.005


def test_there_is_a_drawing_and_a_sound_for_every_name():
    assert [drawing.__name__ for drawing in objects.DRAWINGS] == list(demo.OBJECTS)
    assert [synthesis.__name__ for synthesis in sounds.SYNTHESES] == list(demo.EVENTS)


def test_a_still_object_stays_where_it_is_and_a_moving_one_does_not():
    rng = np.random.default_rng(0)
    still = pictures.wide(rng, only("bench", demo.OBJECTS, "11"), CALM, **SMALL)
    moving = pictures.wide(rng, only("car", demo.OBJECTS, "11"), CALM, **SMALL)
    np.testing.assert_array_equal(still[0], still[1])
    assert (moving[0] != moving[1]).any()


def test_the_camera_stays_inside_the_wide_picture():
    shaky = pictures.Look.draw(np.random.default_rng(0))
    aims = pictures.shake(np.random.default_rng(0), shaky, num_frames=2000)
    assert np.abs(aims).max() <= 1
    picture = np.zeros((80, 104, 3), np.uint8)
    for aim in ([-1, -1], [1, 1], [0.2, -0.7]):
        assert pictures.crop(picture, np.array(aim, float), **SMALL).shape == (72, 96, 3)


def test_what_shows_changes_with_the_frame_that_begins_the_second(tmp_path):
    clip = recording.Recording(
        scene="park", location="lyon-1", segment=1, seed=1, seconds=3, fps=5, **SMALL
    )
    visible = only("sky", demo.OBJECTS, "010")
    truth = recording.Truth(clip.clip_id, np.zeros((3, len(demo.EVENTS)), bool), visible)
    (tmp_path / "clip.mp4").write_bytes(recording._mp4(clip, truth))
    with av.open(tmp_path / "clip.mp4") as container:
        frames = [f.to_ndarray(format="rgb24").astype(int) for f in container.decode(video=0)]
    change = [np.abs(b - a)[:20].mean() for a, b in pairwise(frames)]
    assert sorted(np.argsort(change)[-2:] + 1) == [5, 10]


def test_labelled_sounds_are_a_second_of_stereo_in_range():
    waveform, label = demo.labelled_sounds(12, seed=1)
    assert (waveform.dtype, waveform.shape) == (np.float32, (12, 2, 16000))
    assert (label.dtype, label.shape) == (bool, (12, len(demo.EVENTS)))
    assert np.abs(waveform).max() < 1
    assert (waveform.std(axis=2) > 0.0005).all()
    assert (label.sum(axis=1) >= 1).all()
    assert (label.sum(axis=1) <= 5).all()


def test_labelled_pictures_have_the_size_asked_for():
    picture, label = demo.labelled_pictures(12, seed=1, width_px=100, height_px=60)
    assert (picture.dtype, picture.shape) == (np.uint8, (12, 60, 100, 3))
    assert (label.dtype, label.shape) == (bool, (12, len(demo.OBJECTS)))
    assert (picture.std(axis=(1, 2, 3)) > 5).all()
    assert (label.sum(axis=1) >= 1).all()
    assert (label.sum(axis=1) <= 6).all()


@pytest.mark.parametrize("labelled", [demo.labelled_sounds, demo.labelled_pictures])
def test_an_example_depends_on_its_number_and_the_seed_alone(labelled):
    few, many, other = labelled(2, seed=1), labelled(4, seed=1), labelled(2, seed=2)
    for a, b in zip(few, many, strict=True):
        np.testing.assert_array_equal(a, b[:2])
    assert (few[0] != other[0]).any()


@pytest.mark.parametrize("kind", ["sounds", "pictures"])
def test_examples_drawn_by_processes_are_those_drawn_by_one(kind, monkeypatch):
    monkeypatch.setattr(labelled, "AT_ONCE", 2)
    expected = getattr(demo, f"labelled_{kind}")(5, seed=1)
    found = zip(*demo.drawn(kind, 5, seed=1, workers=2), strict=True)
    for some, whole in zip(found, expected, strict=True):
        assert [len(part) for part in some] == [2, 2, 1]
        np.testing.assert_array_equal(np.concatenate(some), whole)


def test_examples_of_unknown_kind_are_refused():
    with pytest.raises(ValueError, match="examples is 'smells', expected one of sounds, pictures"):
        demo.drawn("smells", 1, seed=1, workers=1)


def test_every_label_occurs_among_a_few_examples():
    _, label = demo.labelled_pictures(60, seed=1, width_px=32, height_px=24)
    assert label.any(axis=0).all()
