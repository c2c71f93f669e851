import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avsc.artifacts import feature_files

BUS, TRAM = "bus-lyon-1-1", "tram-paris-2-1"
CLIPS = {
    BUS: np.arange(6, dtype=np.float32).reshape(3, 2),
    TRAM: np.arange(10, 16, dtype=np.float32).reshape(3, 2),
}


def read(*paths, clips=(BUS, TRAM)):
    """Return {clip_id: arrays} as the files hold them."""
    found = {c: [] for c in clips}
    for path in paths:
        for place in feature_files.arrays(path, clips):
            found[place.clip_id].append(place.frames)
    return found


def write_hdf5(path, arrays):
    with h5py.File(path, "w") as f:
        for name, values in arrays.items():
            f[name] = values
    return path


def whole(path):
    return write_hdf5(path, {f"{i}/audio/{c}": CLIPS[c] for i, c in enumerate(CLIPS)})


def framewise(path):
    """Write the layout of tr.hdf5 and val.hdf5, a data set a frame."""
    names = {f"{i}/video/{c}/{k}": CLIPS[c][k] for i, c in enumerate(CLIPS) for k in range(3)}
    return write_hdf5(path, names)


def table(path):
    names = [c.encode() for c in CLIPS for _ in range(3)]
    return write_hdf5(path, {"clip_id": names, "openl3": np.concatenate(list(CLIPS.values()))})


def npz(path):
    np.savez(path, **{f"audio/{c}.wav": a for c, a in CLIPS.items()})
    return path


def npz_table(path):
    np.savez(path, clip_id=list(CLIPS), frames=np.stack(list(CLIPS.values())))
    return path


def npy(path):
    np.save(path, np.stack(list(CLIPS.values())))
    lines = [f"video/{c}.mp4,x" for c in CLIPS]
    path.with_suffix(".csv").write_text("\n".join(["filename_video,scene_label", *lines, ""]))
    return path


def parquet(path):
    names = [c for c in CLIPS for _ in range(3)]
    rows = [row.tolist() for array in CLIPS.values() for row in array]
    pq.write_table(pa.table({"clip_id": names, "embedding": rows}), path)
    return path


LAYOUTS = [
    (whole, "a.hdf5"),
    (framewise, "a.h5"),
    (table, "a.hdf5"),
    (npz, "a.npz"),
    (npz_table, "a.npz"),
    (npy, "a.npy"),
    (parquet, "a.parquet"),
]


@pytest.mark.parametrize(("write", "name"), LAYOUTS)
def test_every_layout_gives_the_frames_of_each_clip_in_their_order(tmp_path, write, name):
    found = read(write(tmp_path / name))
    for clip_id, frames in CLIPS.items():
        np.testing.assert_array_equal(found[clip_id], [frames])


@pytest.mark.parametrize(("write", "name"), LAYOUTS)
def test_clips_that_nobody_asked_for_are_left_out(tmp_path, write, name):
    assert read(write(tmp_path / name), clips=[TRAM]).keys() == {TRAM}


def test_more_than_ten_frames_stand_in_the_order_of_their_numbers(tmp_path):
    frames = {f"0/audio/{BUS}/{k}": np.float32([k]) for k in range(12)}
    found = read(write_hdf5(tmp_path / "a.h5", frames), clips=[BUS])[BUS][0]
    assert found[:, 0].tolist() == list(range(12))


def test_clips_called_by_numbers_are_no_frames(tmp_path):
    path = write_hdf5(tmp_path / "a.h5", {"audio/0": np.ones((3, 2)), "audio/1": np.zeros((3, 2))})
    found = read(path, clips=["0", "1"])
    assert [found["0"][0].sum(), found["1"][0].sum()] == [6, 0]


def test_a_clip_in_two_files_is_there_twice_and_one_in_none_not_at_all(tmp_path):
    paths = [whole(tmp_path / "a.h5"), npz(tmp_path / "b.npz")]
    found = [(f.clip_id, f.where) for p in paths for f in feature_files.arrays(p, [BUS, "x"])]
    assert found == [(BUS, f"a.h5: /0/audio/{BUS}"), (BUS, f"b.npz: audio/{BUS}.wav")]


def test_rows_of_a_clip_that_do_not_stand_together_are_two_arrays(tmp_path):
    rows = {"clip_id": [BUS, TRAM, BUS], "embedding": [[1.0], [2.0], [3.0]]}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    assert len(read(tmp_path / "a.parquet")[BUS]) == 2


def test_one_vector_of_a_clip_is_one_frame(tmp_path):
    found = read(write_hdf5(tmp_path / "a.h5", {BUS: np.ones(5)}), clips=[BUS])
    assert found[BUS][0].shape == (1, 5)


@pytest.mark.parametrize("names", [["0", "2"], ["1", "2"], ["0", "first"], ["00", "1"]])
def test_a_gap_among_the_frames_of_a_clip_is_refused(tmp_path, names):
    path = write_hdf5(tmp_path / "a.h5", {f"{BUS}/{n}": np.ones(2) for n in names})
    with pytest.raises(
        ValueError, match=r"data set for each frame, called 0, 1, ... without a gap"
    ):
        read(path)


def test_frames_of_several_shapes_are_refused(tmp_path):
    path = write_hdf5(tmp_path / "a.h5", {f"{BUS}/0": np.ones(2), f"{BUS}/1": np.ones(3)})
    with pytest.raises(ValueError, match=r"frames of /bus-lyon-1-1 have shapes \(2,\) and \(3,\)"):
        read(path)


@pytest.mark.parametrize("name", ["a.hdf5", "a.h5", "a.npz", "a.npy", "a.parquet"])
def test_a_damaged_file_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x93NUMPY and no more")
    with pytest.raises(ValueError, match=f"{name} cannot be read"):
        read(tmp_path / name)


def test_an_npz_that_is_cut_off_is_named(tmp_path):
    path = npz(tmp_path / "a.npz")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"a.npz cannot be read"):
        read(path)


@pytest.mark.parametrize(
    "values", [np.array([b"a", b"b"]), np.array([1j, 2j]), np.array([True, False]), np.float32(1)]
)
def test_what_is_no_array_of_numbers_is_refused(tmp_path, values):
    path = write_hdf5(tmp_path / "a.h5", {BUS: values})
    with pytest.raises(ValueError, match=r"expected numbers, \(frame, ...\) or a vector"):
        read(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.mat", "is of no known kind; expected .hdf5, .h5, .npz, .npy, .parquet"),
        ("a.tar.gz", "is of no known kind"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, name, message):
    (tmp_path / name).touch()
    with pytest.raises(ValueError, match=message):
        read(tmp_path / name)


def test_a_missing_file_says_where_to_put_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no features at .*tr.hdf5; put the file there"):
        read(tmp_path / "tr.hdf5")


def test_an_npy_needs_a_csv_beside_it(tmp_path):
    npy(tmp_path / "a.npy")
    (tmp_path / "a.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no a.csv beside it; write a line for each row"):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\na\nb\n", r"has columns \['name'\]; expected one of clip_id, "),
        (f"clip_id\n{BUS}\n", r"1 names for an array of shape \(2, 3, 2\)"),
    ],
)
def test_a_csv_that_does_not_name_each_row_is_refused(tmp_path, text, message):
    npy(tmp_path / "a.npy")
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.npy")


def test_an_array_that_is_called_npz_is_refused(tmp_path):
    npy(tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"a.npz cannot be read \(File is not a zip file\)"):
        read(tmp_path / "a.npz")


def test_a_table_with_two_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", clip_id=[BUS], a=np.ones((1, 2)), b=np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"holds clip_id and \['a', 'b'\]; expected one array"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"clip_id": [BUS], "a": [1.0]}, "expected clip_id and embedding"),
        ({"clip_id": [BUS], "embedding": [1.0]}, "embedding is double; expected lists of numbers"),
        ({"clip_id": [BUS], "embedding": [None]}, "expected lists of numbers, no nulls"),
        ({"clip_id": [BUS], "embedding": [[1.0, None]]}, "expected lists of numbers, no nulls"),
        ({"clip_id": [BUS, TRAM], "embedding": [[1.0], [1.0, 2.0]]}, r"have \[1, 2\] numbers"),
    ],
)
def test_a_parquet_of_other_columns_is_refused(tmp_path, columns, message):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.parquet")
