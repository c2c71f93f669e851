import h5py
import numpy as np
import pytest

from avsc.artifacts import hdf5

ROWS = np.arange(12, dtype=np.float32).reshape(6, 2)


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "k.h5", "w", libver=("v110", "v110")) as f:
        f.create_dataset("array/rows", data=ROWS, chunks=(4, 2), fletcher32=True)
        f["array/one"] = 7
        f.attrs["said"] = np.bytes_("so")
        f.create_group("empty")
    return tmp_path / "k.h5"


def test_rows_of_several_chunks_come_back_in_part_and_whole(path):
    with hdf5.opened(path) as file:
        np.testing.assert_array_equal(file.read("array/rows"), ROWS)
        np.testing.assert_array_equal(file.read("array/rows", 3, 5), ROWS[3:5])
        values = np.zeros((8, 2), np.float32)
        file.read_into(values[1:4], "array/rows", 2)
    np.testing.assert_array_equal(values, [[0, 0], *ROWS[2:5], *[[0, 0]] * 4])


def test_a_file_tells_its_texts_and_the_members_of_its_groups(path):
    with hdf5.opened(path) as file:
        assert file.texts() == {"said": "so"}
        assert sorted(file.members("array")) == ["one", "rows"]
        assert file.members("empty") == file.members("absent") == []


def test_a_single_value_is_refused_where_rows_are_expected(path):
    with hdf5.opened(path) as file, pytest.raises(ValueError, match="array/one is a single value"):
        file.shape("array/one")


@pytest.mark.parametrize("name", ["array", "array/rows/more", "array/absent", "absent/rows"])
def test_what_is_no_data_set_of_the_file_is_refused_with_the_name_of_the_file(path, name):
    with hdf5.opened(path) as file, pytest.raises(ValueError, match=r"k\.h5 is damaged \("):
        file.read(name)


def test_a_chunk_that_does_not_fit_its_checksum_is_refused(path):
    content = bytearray(path.read_bytes())
    content[content.find(ROWS[4:].tobytes())] ^= 1
    path.write_bytes(content)
    with hdf5.opened(path) as file:
        np.testing.assert_array_equal(file.read("array/rows", 0, 4), ROWS[:4])
        with pytest.raises(ValueError, match=r"k\.h5 is damaged"):
            file.read("array/rows")
