import numpy as np
import pytest

from avsc.media import DecodeError


def sine(hz, seconds, rate, channels=2):
    wave = 0.5 * np.sin(2 * np.pi * hz * np.arange(seconds * rate) / rate)
    return np.repeat(wave[:, None], channels, axis=1)


def test_an_impulse_is_found_in_its_own_second_at_its_own_sample(write_wav, waveform):
    sound = np.zeros((10 * 48000, 2))
    for second in range(10):  # sample 4800·(s + 0.5) at 48 kHz is sample 1600·(s + 0.5) at 16 kHz
        sound[48000 * second + 2400 + 4800 * second] = 0.5
    segments = waveform(write_wav(sound, 48000), seconds=10)
    assert segments.shape == (10, 2, 16000)
    expected = 800 + 1600 * np.arange(10)
    np.testing.assert_array_equal(np.abs(segments).argmax(axis=2), np.stack([expected] * 2, axis=1))


@pytest.mark.parametrize("changed", range(4))
def test_a_segment_keeps_its_bits_when_every_other_second_changes(
    write_wav, waveform, noise, changed
):
    sound, other = noise(4), noise(4, seed=1)
    kept = slice(48000 * changed, 48000 * (changed + 1))
    other[kept] = sound[kept]
    before = waveform(write_wav(sound, 48000, name="a.wav"))
    after = waveform(write_wav(other, 48000, name="b.wav"))
    np.testing.assert_array_equal(before[changed], after[changed])
    assert not np.isclose(before, after).all()


@pytest.mark.parametrize("hz", [8500, 9000, 12000, 20000])
def test_a_tone_above_the_new_nyquist_is_over_100_db_down(write_wav, waveform, hz):
    tone = write_wav(sine(hz, 1, 48000), 48000, subtype="FLOAT")
    inside = waveform(tone)[..., 1600:-1600]  # where the tone starts and stops, it clicks
    assert np.abs(inside).max() < 0.5 * 10 ** (-100 / 20)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
def test_a_tone_keeps_its_frequency_phase_and_level_from_any_rate(write_wav, waveform, rate):
    segments = waveform(write_wav(sine(1000, 2, rate), rate))
    assert segments.shape == (2, 2, 16000)
    expected = np.broadcast_to(sine(1000, 2, 16000).T.reshape(2, 2, 16000), (2, 2, 16000))
    np.testing.assert_allclose(segments[..., 800:-800], expected[..., 800:-800], atol=2e-5)


def test_24_bit_samples_at_the_wanted_rate_come_through_unchanged(write_wav, waveform):
    levels = np.random.default_rng(0).integers(-(2**23), 2**23, (16000, 2))
    (segment,) = waveform(write_wav(levels / 2**23, 16000))
    np.testing.assert_array_equal(segment.T * 2**23, levels)


def test_left_stays_left_and_a_silent_right_stays_silent(write_wav, waveform, noise):
    sound = noise(1)
    sound[:, 1] = 0
    (segment,) = waveform(write_wav(sound, 48000))
    assert segment[0].std() > 0.1
    assert not segment[1].any()


def test_a_mono_file_gives_two_equal_channels_at_its_own_level(write_wav, waveform, noise):
    sound = noise(1, rate=16000, channels=1)
    (segment,) = waveform(write_wav(sound, 16000))
    np.testing.assert_array_equal(segment, [sound[:, 0]] * 2)


@pytest.mark.parametrize("length", [31999, 32000, 32001])
def test_a_length_off_by_a_sample_is_trimmed_or_padded_with_zeros(
    write_wav, waveform, noise, length
):
    sound = noise(2.1, rate=16000)[:length]
    segments = waveform(write_wav(sound, 16000), seconds=2)
    flat = segments.transpose(0, 2, 1).reshape(-1, 2)
    np.testing.assert_array_equal(flat[:length], sound[:32000])
    assert not flat[length:].any()


@pytest.mark.parametrize(("lasts_s", "seconds"), [(0.95, 1), (1.85, 1), (1.95, 2), (2.5, 2)])
def test_without_a_length_a_clip_has_its_whole_seconds(
    write_wav, waveform, noise, lasts_s, seconds
):
    assert len(waveform(write_wav(noise(lasts_s, rate=16000), 16000))) == seconds


def test_an_overshoot_of_the_resampler_stays_in_range(write_wav, waveform):
    square = np.sign(sine(110, 1, 48000) + 1e-9)
    assert np.abs(waveform(write_wav(square, 48000))).max() == 1


def test_another_sample_rate_may_be_asked_for(write_wav, waveform, noise):
    assert waveform(write_wav(noise(1), 48000), sample_rate=32000).shape == (1, 2, 32000)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("name", "codec"), [("s.mkv", "pcm_s16le"), ("s.mp4", "alac")])
def test_a_container_and_a_wav_of_the_same_sound_agree_bit_for_bit(
    write_wav, write_container, waveform, noise, channels, name, codec
):
    sound = noise(2, channels=channels)
    from_wav = waveform(write_wav(sound, 48000))
    from_container = waveform(write_container(name, sound=sound, sound_codec=codec))
    np.testing.assert_array_equal(from_wav, from_container)


def test_priming_samples_of_aac_do_not_shift_the_sound(write_container, waveform):
    sound = np.zeros((48000, 2), np.float32)
    sound[24000] = 0.9
    segments = waveform(write_container("s.m4a", sound=sound, sound_codec="aac"))
    assert np.abs(np.abs(segments[0]).argmax(axis=1) - 8000).max() <= 16  # 1 ms


def test_sound_that_starts_after_the_pictures_is_preceded_by_silence(
    write_container, clip_of, grays, noise
):
    sound = noise(1.75, rate=16000)
    path = write_container(
        "late.mkv",
        pictures=grays(20),
        times=np.arange(20) / 10,
        sound=sound,
        rate=16000,
        sound_start=0.25,
    )
    flat = clip_of(path).waveform.transpose(0, 2, 1).reshape(-1, 2)
    assert not flat[:4000].any()
    np.testing.assert_array_equal(flat[4000:], sound)


def test_a_silent_track_is_a_valid_clip(write_container, waveform):
    path = write_container("s.mp4", sound=np.zeros((48000, 2)), sound_codec="aac")
    assert not waveform(path).any()


@pytest.mark.parametrize(("lasts_s", "at"), [(8.8, "8.800"), (10.2, "10.000")])
def test_a_clip_of_another_length_is_refused(write_wav, waveform, noise, lasts_s, at):
    expected = rf"clip.wav at {at} s: .*lasts {lasts_s}00 s, expected 10 s .*set decode.seconds"
    with pytest.raises(DecodeError, match=expected):
        waveform(write_wav(noise(lasts_s, rate=8000), 8000), seconds=10)


def test_less_than_a_second_is_refused(write_wav, waveform, noise):
    with pytest.raises(DecodeError, match=r"lasts 0\.800 s, expected at least 1 s; leave"):
        waveform(write_wav(noise(0.8), 48000))


def test_a_sample_that_is_not_finite_is_refused_with_its_position(write_wav, waveform, noise):
    sound = noise(2)
    sound[72000, 1] = np.nan
    with pytest.raises(DecodeError, match=r"at 1\.500 s: a sample is not finite; write"):
        waveform(write_wav(sound, 48000, subtype="FLOAT"))


def test_sound_that_is_not_scaled_to_one_is_refused(write_wav, waveform, noise):
    sound = noise(2)
    sound[24000, 0] = -32768
    with pytest.raises(DecodeError, match=r"at 0\.500 s: a sample is 32768, expected -1 to 1; sca"):
        waveform(write_wav(sound, 48000, subtype="FLOAT"))


@pytest.mark.parametrize("rate", [100, 1_000_000])
def test_a_rate_that_no_recorder_has_is_refused(write_wav, waveform, noise, rate):
    with pytest.raises(DecodeError, match=f"sampled at {rate} Hz, expected 4000 to 192000 Hz"):
        waveform(write_wav(noise(0.1), rate))


def test_a_hole_in_the_sound_of_a_container_is_refused(write_container, waveform, noise):
    path = write_container("s.mkv", sound=noise(3), sound_cut=lambda at: 1 < at < 1.5)
    expected = r"at 1\.5\d\d s: the sound before ends at 1\.0\d\d s; cut the file there"
    with pytest.raises(DecodeError, match=expected):
        waveform(path)
