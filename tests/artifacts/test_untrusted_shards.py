"""Shards of strangers: what is refused before it is followed or read."""

import h5py
import numpy as np
import pytest

from avsc.artifacts import shard

ROWS = np.arange(600, dtype=np.float32).reshape(100, 6)


@pytest.fixture
def path(tmp_path):
    clips = {c: (f"key-{c}", {"embedding": ROWS}) for c in "ab"}
    shard.write(tmp_path / "k.h5", clips, about={}, quarantined={})
    return tmp_path / "k.h5"


def altered(path, change):
    with h5py.File(path, "r+") as f:
        change(f)
    return path


def replaced(name, **options):
    def change(f):
        data = f[name][:]
        del f[name]
        f.create_dataset(name, data=data, **options)

    return change


def refused(path, message):
    with pytest.raises(ValueError, match=rf"k\.h5 .*{message}"), shard.reading(path) as s:
        s.clip("a")


def linked(link):
    def change(f):
        del f["array/embedding"]
        f["array/embedding"] = link

    return change


def test_a_shard_that_links_to_another_file_is_refused(path, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as f:
        f["rows"] = np.ones((200, 6), np.float32)
    link = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/rows")
    refused(altered(path, linked(link)), "array/embedding is a link to elsewhere")


def test_a_shard_with_a_soft_link_is_refused(path):
    link = h5py.SoftLink("/count/embedding")
    refused(altered(path, linked(link)), "array/embedding is a link to elsewhere")


def test_a_group_that_is_a_link_is_refused(path, tmp_path):
    def change(f):
        del f["array"]
        f["array"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/")

    refused(altered(path, change), "array is a link to elsewhere")


def test_a_shard_whose_rows_lie_in_another_file_is_refused(path, tmp_path):
    (tmp_path / "secret.bin").write_bytes(bytes(200 * 24))

    def change(f):
        del f["array/embedding"]
        external = [(str(tmp_path / "secret.bin"), 0, 200 * 24)]
        f.create_dataset("array/embedding", (200, 6), np.float32, external=external)

    refused(altered(path, change), "keeps its rows in other files")


def test_a_virtual_data_set_is_refused(path, tmp_path):
    def change(f):
        del f["array/embedding"]
        layout = h5py.VirtualLayout((200, 6), np.float32)
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "rows", (200, 6), np.float32)
        f.create_virtual_dataset("array/embedding", layout)

    refused(altered(path, change), "keeps its rows in other files")


def test_a_compressed_data_set_is_refused_however_small(path):
    change = replaced("array/embedding", compression="gzip", fletcher32=True)
    refused(altered(path, change), r"has filters \[.*\], expected a checksum alone")


def test_rows_without_checksum_are_refused(path):
    refused(altered(path, replaced("array/embedding")), r"has filters \[\], expected a checksum")


def declares(shape, chunks):
    def change(f):
        del f["array/embedding"]
        f.create_dataset("array/embedding", shape, np.float32, chunks=chunks, fletcher32=True)
        f["count/embedding"][:] = shape[0] // 2

    return change


def test_a_data_set_that_declares_more_than_the_file_holds_is_refused(path):
    change = declares((2**36, 6), (100, 6))
    refused(altered(path, change), r"declares 1649267441664 bytes in a file of \d+\)")


def test_rows_that_were_never_written_are_refused_and_not_read_as_zeros(path):
    refused(altered(path, declares((200, 6), (200, 6))), "lacks some of its 1 chunks")


def test_texts_of_free_length_are_refused(path):
    def change(f):
        del f["clip_id"]
        f.create_dataset("clip_id", data=["a", "b"], dtype=h5py.string_dtype())

    refused(altered(path, change), "clip_id is of object, expected numbers or texts of fixed len")


def test_an_attribute_of_free_length_is_refused_unread(path):
    def change(f):
        f.attrs["scope"] = "segment"

    refused(altered(path, change), "attribute 'scope' is object, expected a text of fixed length")


def test_a_file_of_an_hdf5_version_without_checksums_is_refused(tmp_path):
    with h5py.File(tmp_path / "k.h5", "w", libver=("earliest", "v108")) as f:
        f["clip_id"] = [1]
    refused(tmp_path / "k.h5", "starts with .*, expected")


@pytest.mark.parametrize("count", [[100, 99], [-100, 300], [200], [2**62, 2**62]])
def test_counts_that_do_not_divide_the_rows_are_refused(path, count):
    def change(f):
        del f["count/embedding"]
        f.create_dataset("count/embedding", data=np.array(count), fletcher32=True)

    refused(altered(path, change), "count/embedding does not divide its 200 rows among the clips")


def test_a_clip_that_is_there_twice_is_refused(path):
    def change(f):
        f["clip_id"][:] = np.array([b"a", b"a"])

    refused(altered(path, change), "a clip is there twice")
