import numpy as np
import pytest
import scipy.fft

import avsc.encoders
from avsc.encoders._augment import Sound, amplified, covered, draw_of, run, shifted
from avsc.encoders.ast import TINY as AST

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 2, 16000)).astype(np.float32)
STILL = {"shift_s": 0.0, "gain_db": 0.0}
BARE = {"time_mask": 0.0, "band_mask": 0.0}


def draws(what, *, times=2000):
    return [what(np.random.default_rng(seed)) for seed in range(times)]


def moved(limits, *, second=1000):
    """Return shift (in samples) and gain (in dB) of many moves, as a click shows them."""
    click = np.zeros((2, second), np.float32)
    click[:, second // 2] = 1
    rows = np.stack(draws(lambda rng: limits.move(click, rng, second=second)[0]))
    return rows.argmax(axis=1) - second // 2, 20 * np.log10(rows.max(axis=1))


def test_a_shift_stays_inside_each_second():
    row = np.array([[1, 2, 3, 4, 5, 6], [0, 0, 9, 8, 0, 0]], np.float32)
    expected = [[3, 1, 2, 6, 4, 5], [9, 0, 0, 0, 8, 0]]
    np.testing.assert_array_equal(shifted(row, 1, second=3), expected)
    np.testing.assert_array_equal(shifted(row, -2, second=3), expected)


def test_20_db_are_ten_times_the_amplitude():
    row = np.array([[0.01, -0.02, 0]], np.float32)
    louder = amplified(row, 20.0)
    np.testing.assert_allclose(louder, [[0.1, -0.2, 0]], rtol=1e-6)
    np.testing.assert_allclose(amplified(louder, -20.0), row, rtol=1e-6)
    assert louder.dtype == np.float32


def test_what_is_covered_has_the_mean_of_all():
    row = np.array([[1, 2], [3, 6]], np.float32)  # mean 3
    covers = covered(row, frames=slice(0, 1), bands=slice(0, 0))
    np.testing.assert_array_equal(covers, [[3, 3], [3, 6]])
    covers = covered(row, frames=slice(0, 0), bands=slice(1, 2))
    np.testing.assert_array_equal(covers, [[1, 3], [3, 3]])
    np.testing.assert_array_equal(row, [[1, 2], [3, 6]])


def test_each_channel_is_covered_with_its_own_mean():
    row = np.array([[[1, 2], [10, 20]], [[3, 6], [30, 60]]], np.float32)  # means 3 and 30
    covers = covered(row, frames=slice(0, 0), bands=slice(0, 1))
    np.testing.assert_array_equal(covers, [[[3, 2], [30, 20]], [[3, 6], [30, 60]]])
    covers = covered(row, frames=slice(1, 2), bands=slice(0, 0))
    np.testing.assert_array_equal(covers, [[[1, 2], [10, 20]], [[3, 3], [30, 30]]])


def test_a_run_has_every_width_up_to_the_limit_and_every_place_where_it_fits():
    runs = draws(lambda rng: run(10, 0.25, rng))  # floor(2.5) = 2
    assert {r.stop - r.start for r in runs} == {0, 1, 2}
    assert {r.start for r in runs if r.stop - r.start == 2} == set(range(9))
    # widths are equally likely: mean 1, deviation sqrt(2 / 3), 4 standard errors
    assert np.mean([r.stop - r.start for r in runs]) == pytest.approx(1, abs=0.074)


def test_a_run_may_cover_all_or_be_switched_off():
    assert {(r.start, r.stop) for r in draws(lambda rng: run(1, 1.0, rng))} == {
        (0, 0),
        (1, 1),
        (0, 1),
    }
    assert {r.stop - r.start for r in draws(lambda rng: run(98, 0.0, rng))} == {0}


def test_shifts_and_gains_fill_their_ranges_evenly():
    shift, gain_db = moved(Sound(shift_s=0.1, gain_db=6.0))
    assert (shift.min(), shift.max()) == (-100, 100)
    assert -6.0001 < gain_db.min() < -5.9
    assert 5.9 < gain_db.max() < 6.0001
    # of a uniform draw from -a to a, 4 standard errors of 2000 are 0.052 a
    assert abs(shift.mean()) < 5.2
    assert abs(gain_db.mean()) < 0.31


def test_half_a_second_is_any_shift():
    shift, _ = moved(Sound(shift_s=0.5), second=20)
    assert set(shift % 20) == set(range(20))


@pytest.mark.parametrize(
    ("limit", "most"), [("shift_s", 0.5), ("gain_db", 60), ("time_mask", 1), ("band_mask", 1)]
)
@pytest.mark.parametrize("value", [-0.1, 60.5, float("nan")])
def test_a_limit_out_of_range_is_refused(limit, most, value):
    with pytest.raises(ValueError, match=rf"{limit} is {value}; expected 0 \(off\) to {most}"):
        Sound(**{limit: value})


def test_a_draw_hangs_on_seed_view_and_content_alone():
    row = NOISE[0]
    other = row.copy()
    other[1, 7] += 1e-6
    asked = [(row, 1, 23), (row, 12, 3), (row, 1, 24), (row, 2, 23), (other, 1, 23)]
    found = [draw_of(x, seed=seed, view=view) for x, seed, view in asked]
    assert len(set(found)) == len(asked)
    assert found[0] == draw_of(row.copy(), seed=1, view=23)
    assert all(0 <= draw < 2**63 for draw in found)


@pytest.mark.parametrize("name", ["logmel", "mfcc", "fbank", "scalogram"])
def test_a_sound_neither_moved_nor_masked_is_as_it_was(name):
    encoder = avsc.encoders.create(name)
    views = encoder.views(NOISE, count=3, seed=0, **STILL, **BARE)
    for view in (1, 2):
        np.testing.assert_array_equal(views[:, view], views[:, 0])


def test_gain_adds_a_constant_to_the_logarithm():
    views = avsc.encoders.create("logmel").views(NOISE, count=5, seed=0, shift_s=0.0, **BARE)
    gain_db = (views[:, 1:] - views[:, :1]) * 10 / np.log(10)
    each = gain_db.mean(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(gain_db, np.broadcast_to(each, gain_db.shape), atol=0.01)
    assert (abs(each) <= 6.01).all()
    assert len(np.unique(each.round(2))) == each.size


def test_a_click_is_shifted_inside_its_second_of_a_clip():
    clip = np.zeros((1, 2, 32000), np.float32)
    clip[..., 24000] = 0.5
    views = avsc.encoders.create("logmel", scope="clip").views(
        clip, count=9, seed=0, gain_db=0.0, **BARE
    )
    loudest = views[0].sum(axis=-1).argmax(axis=-1)
    assert (loudest >= 97).all()  # a frame is 25 ms, the 97th ends at 0.995 s
    assert len(set(loudest)) > 4


def test_a_mask_covers_whole_frames_and_whole_bands_with_the_rows_mean():
    views = avsc.encoders.create("logmel").views(NOISE, count=9, seed=0, **STILL)
    for plain, *others in views:
        for view in others:
            hidden = view != plain
            frames, bands = hidden.all(axis=1), hidden.all(axis=0)
            np.testing.assert_array_equal(hidden, frames[:, None] | bands)
            assert frames.sum() <= 18  # floor(3 / 16 * 98)
            assert bands.sum() <= 24  # floor(3 / 16 * 128)
            np.testing.assert_allclose(view[hidden], plain.mean(), rtol=1e-5)


@pytest.mark.parametrize("name", ["fbank", "scalogram"])
def test_of_few_and_long_frames_only_bands_are_masked(name):
    views = avsc.encoders.create(name).views(NOISE, count=9, seed=0, **STILL)
    hidden = views[:, 1:] != views[:, :1]
    np.testing.assert_array_equal(hidden.all(axis=(2, 3)), hidden.any(axis=(2, 3)))
    assert hidden.any()
    assert (hidden[:, :, 0, 0].sum(axis=-1) <= views.shape[-1] * 3 // 16).all()


def test_frames_are_masked_too_where_a_time_mask_is_asked_for():
    asked = {**STILL, "band_mask": 0.0, "time_mask": 0.5}
    views = avsc.encoders.create("fbank").views(NOISE, count=9, seed=0, **asked)
    hidden = (views[:, 1:] != views[:, :1]).all(axis=(-1, -2))
    assert set(hidden.sum(axis=-1).flatten()) == {0, 1, 2, 3}


def test_a_cepstrum_is_masked_before_the_cosine_transform():
    cepstrum = avsc.encoders.create("mfcc", n_mfcc=128).views(NOISE, count=3, seed=4)
    logmel = avsc.encoders.create("logmel").views(NOISE, count=3, seed=4)
    np.testing.assert_allclose(scipy.fft.idct(cepstrum, norm="ortho"), logmel, atol=1e-3)


def test_ast_sees_masked_frames():
    encoder = avsc.encoders.create("ast", **AST)
    masked = encoder.views(NOISE, count=2, seed=0, **STILL, time_mask=1.0, band_mask=1.0)
    same = encoder.views(NOISE, count=2, seed=0, **STILL, **BARE)
    np.testing.assert_allclose(same[:, 1], same[:, 0], atol=1e-6)
    assert not np.allclose(masked[:, 1], masked[:, 0], atol=1e-4)
