import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsc import importing
from avsc.artifacts.feature_files import Found
from avsc.importing import Selection

OPENL3 = np.arange(96, dtype=np.float32)[:, None]  # frame k of ten seconds holds k


def rows(rule, frames=OPENL3, *, seconds=10, **more):
    return Selection(rule, seconds, **more).rows(frames)


def gathered(arrays, selection, **more):
    """Gather what files hold of clips: any number of arrays each."""
    found = [Found(c, f"a.h5: /{len(array)}", array) for c, own in arrays.items() for array in own]
    return importing.gather(found, selection, clips=list(arrays), **more)


def test_the_official_rule_takes_the_baselines_frames():
    # train/test_DCASE.py of the baseline: int(j) for j in linspace(0, 96, 10, endpoint=False)
    assert rows("official")[:, 0].tolist() == [0, 9, 19, 28, 38, 48, 57, 67, 76, 86]


@pytest.mark.parity
@given(count=st.integers(96, 101))
def test_the_official_rule_is_linspace_cut_to_whole_numbers(count):
    expected = [int(j) for j in np.linspace(0, count, 10, endpoint=False)]
    frames = np.arange(count, dtype=np.float32)[:, None]
    assert rows("official", frames)[:, 0].tolist() == expected


def test_the_middle_rule_takes_the_window_that_is_the_second():
    # frame k is of the second around 0.1 k: 0.5 - 0.5 to 0.5 + 0.5, 1.5 - 0.5 to 1.5 + 0.5, ...
    assert rows("middle")[:, 0].tolist() == [5, 15, 25, 35, 45, 55, 65, 75, 85, 95]


def test_the_mean_rule_averages_the_frames_whose_middles_lie_in_the_second():
    assert rows("mean")[:, 0].tolist() == [4.5 + 10 * k for k in range(9)] + [92.5]


def test_the_clip_rule_averages_all_frames_and_the_sequence_rule_keeps_them():
    assert rows("clip").tolist() == [[47.5]]
    np.testing.assert_array_equal(rows("sequence"), OPENL3[None])


def test_rows_are_kept_where_there_is_one_a_second():
    np.testing.assert_array_equal(rows("rows", OPENL3[:10]), OPENL3[:10])
    with pytest.raises(ValueError, match="96 frames for 10 s"):
        rows("rows")


@pytest.mark.parametrize(("count", "seconds"), [(96, 10), (16, 2), (6, 1), (15, 1), (101, 10)])
def test_without_a_length_a_clip_has_as_many_whole_seconds_as_its_frames_tell(count, seconds):
    # OpenL3's last window starts half a second before the last middle: 96 frames end at 10.0 s
    frames = np.ones((count, 3), np.float32)
    assert len(rows("middle", frames, seconds=None)) == seconds


@pytest.mark.parametrize("count", [1, 10, 95, 102, 960])
@pytest.mark.parametrize("rule", ["official", "middle", "mean"])
def test_frames_of_another_length_or_hop_are_refused(rule, count):
    with pytest.raises(
        ValueError, match=rf"{count} frames 0.1 s apart, expected 96 to 101 for 10 s"
    ):
        rows(rule, np.ones((count, 2), np.float32))


def test_less_than_a_second_is_refused_where_no_length_is_given():
    with pytest.raises(ValueError, match=r"5 frames 0.1 s apart, expected 6 to 11 for 1 s"):
        rows("middle", np.ones((5, 2), np.float32), seconds=None)


def test_another_hop_gives_other_frames():
    frames = np.arange(20, dtype=np.float32)[:, None]  # middles at 0, 0.5 ... 9.5 s
    assert rows("middle", frames, hop_s=0.5)[:, 0].tolist() == list(range(1, 20, 2))


def test_ten_views_are_all_frames_of_a_second_the_selected_one_first():
    for rule, first in (("official", [0, 9, 19]), ("middle", [5, 15, 25])):
        views = Selection(rule, 10, views=10).of_views(OPENL3)[..., 0]
        assert views.shape == (10, 10)
        assert views[:3, 0].tolist() == first
        assert set(views.ravel().tolist()) == set(range(96))


def test_two_views_of_a_mean_are_the_mean_and_a_frame_of_the_second():
    views = Selection("mean", 10, views=2).of_views(OPENL3)[..., 0]
    assert views[:2].tolist() == [[4.5, 0], [14.5, 10]]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"rule": "best"}, "select is 'best'; expected one of rows, official, middle, mean, seq"),
        ({"rule": "mean", "hop_s": 0.3}, "hop_s is 0.3; expected a whole number of frames a sec"),
        ({"rule": "mean", "hop_s": 0.0}, "hop_s is 0.0; expected a whole number of frames a sec"),
        ({"rule": "mean", "views": 1}, "views: 1 with select: mean; expected 2 or more"),
        ({"rule": "clip", "views": 2}, "views: 2 with select: clip; expected 2 or more"),
        ({"rule": "mean", "views": 2, "hop_s": 1.0}, "of a rule that chooses from several frames"),
    ],
)
def test_a_selection_that_there_is_not_is_refused(block, message):
    with pytest.raises(ValueError, match=message):
        Selection(seconds=10, **block)


def test_gathered_clips_are_float32_and_only_varied_ones_have_views():
    both = {c: [OPENL3.astype(np.float64)] for c in ("a", "b")}
    arrays = gathered(both, Selection("middle", 10, views=3), varied={"a"})
    assert {c: sorted(a) for c, a in arrays.items()} == {
        "a": ["embedding", "views"],
        "b": ["embedding"],
    }
    assert arrays["a"]["embedding"].dtype == np.float32
    np.testing.assert_array_equal(arrays["a"]["views"][:, 0], arrays["b"]["embedding"])


def test_every_offender_is_in_one_message():
    broken = OPENL3.copy()
    broken[[7, 9]] = np.nan
    with pytest.raises(ValueError, match="7 of 9 clips cannot be imported") as caught:
        gathered(
            {
                "fine": [OPENL3],
                "as fine": [OPENL3],
                "gone": [],
                "twice": [OPENL3, OPENL3[:90]],
                "nan": [broken],
                "huge": [OPENL3.astype(np.float64) * 1e40],
                "short": [OPENL3[:50]],
                "empty": [np.ones((0, 1))],
                "wide": [np.ones((96, 2))],
            },
            Selection("middle", 10),
        )
    assert str(caught.value).splitlines()[1:] == [
        "absent (1):",
        "  gone",
        "there more than once (1):",
        "  twice: a.h5: /96 and a.h5: /90",
        "not to be used (4):",
        "  nan: 2 frames with NaN or infinity, the first 7",
        "  huge: 95 frames with NaN or infinity, the first 1",
        "  short: 50 frames 0.1 s apart, expected 96 to 101 for 10 s",
        "  empty: shape (0, 1), which is empty",
        "rows of another shape than (1,) (1):",
        "  wide: (2,)",
    ]


def test_clips_come_in_the_order_of_the_manifest_wherever_they_lie():
    found = [Found(c, "a.h5", OPENL3) for c in ("b", "a")]
    assert list(importing.gather(found, Selection("clip", 10), clips=["a", "b"])) == ["a", "b"]


def test_of_many_offenders_the_first_twenty_are_shown():
    with pytest.raises(ValueError, match=r"  ... and 5 more$"):
        gathered({f"c{i}": [] for i in range(25)}, Selection("clip", 10))


def block(**more):
    given = {"root": "r", "files": [], "modality": "audio", "select": "clip"}
    return given | {"clips": [], "varied": [], "seconds": 10} | more


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"modality": "sound"}, "modality is 'sound'; expected audio or video"),
        ({"files": ["../a.h5"]}, r"../a.h5 is outside of r, which DVC watches; move it there"),
        ({"files": ["/a.h5"]}, r"/a.h5 is outside of r, which DVC watches; move it there"),
    ],
)
def test_a_block_that_cannot_be_meant_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        importing.imported(**block(**changed))


def test_frames_of_the_other_modality_are_refused(tmp_path):
    with h5py.File(tmp_path / "tt.hdf5", "w") as file:
        file["0/video/a"] = OPENL3
    given = block(root=str(tmp_path), files=["tt.hdf5"], clips=["a"])
    assert importing.imported(**given | {"modality": "video"})
    with pytest.raises(ValueError, match=r"tt\.hdf5: /0/video/a is called video, expected audio: "):
        importing.imported(**given)


def test_a_key_that_there_is_not_is_a_type_error():
    with pytest.raises(TypeError, match="hop"):
        importing.imported(**block(hop=0.1))
