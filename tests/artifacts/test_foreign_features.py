"""Feature files of strangers run nothing, reach nothing, and unpack to no more than is stated."""

import os
import pickle
import zipfile

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avsc.artifacts import feature_files, feature_limits
from tests.artifacts.test_feature_files import BUS, TRAM, read, whole


@pytest.mark.parametrize("kind", ["ExternalLink", "SoftLink"])
def test_a_link_is_refused(tmp_path, kind):
    whole(tmp_path / "secret.h5")
    to = (str(tmp_path / "secret.h5"),) if kind == "ExternalLink" else ()
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f[f"0/audio/{BUS}"] = getattr(h5py, kind)(*to, f"/0/audio/{BUS}")
    with pytest.raises(
        ValueError, match=f"a.h5: /0/audio/{BUS} is a {kind}; expected data in this"
    ):
        read(tmp_path / "a.h5")


def test_a_link_among_the_frames_of_a_clip_is_refused(tmp_path):
    whole(tmp_path / "secret.h5")
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f[f"{BUS}/0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), f"/0/audio/{BUS}")
    with pytest.raises(ValueError, match=f"/{BUS}/0 is a ExternalLink"):
        read(tmp_path / "a.h5")


def test_data_that_lie_in_another_file_are_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(24))
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f.create_dataset(BUS, (3, 2), "f4", external=[(str(tmp_path / "secret"), 0, 24)])
    with pytest.raises(ValueError, match=f"/{BUS} has its data in another file; copy them"):
        read(tmp_path / "a.h5")


def test_a_virtual_data_set_is_refused(tmp_path):
    whole(tmp_path / "b.h5")
    layout = h5py.VirtualLayout((3, 2), "f4")
    layout[:] = h5py.VirtualSource(tmp_path / "b.h5", f"/0/audio/{BUS}", (3, 2))
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f.create_virtual_dataset(BUS, layout)
    with pytest.raises(ValueError, match=f"/{BUS} has its data in another file; copy them"):
        read(tmp_path / "a.h5")


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "table.npz"])
def test_a_pickle_is_refused_unrun(tmp_path, name):
    harmful = np.array([Harmful(), Harmful()], dtype=object)
    if name == "a.npy":
        np.save(tmp_path / name, harmful)
        (tmp_path / "a.csv").write_text(f"clip_id\n{BUS}\n{TRAM}\n")
    else:
        arrays = {BUS: harmful} if name == "a.npz" else {"clip_id": [BUS, TRAM], "rows": harmful}
        np.savez(tmp_path / name, **arrays)
    with pytest.raises(
        ValueError, match=r"cannot be read \(.*(allow_pickle|Python objects).*plain numbers"
    ):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_bare_pickle_is_refused_unrun(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(ValueError, match=f"{name} cannot be read"):
        read(tmp_path / name)


def bomb(path, shape=(2**24,), **options):
    """Write an array of zeros, which take next to no room in the file."""
    with h5py.File(path, "w") as f:
        f.create_dataset(BUS, shape, "f4", **options)
    return path


@pytest.mark.parametrize(
    "options", [{"chunks": (2**20,), "compression": "gzip", "data": np.zeros(2**24, "f4")}, {}]
)
def test_a_data_set_that_unpacks_a_hundredfold_is_refused_unread(tmp_path, options):
    path = bomb(tmp_path / "a.h5", **options)
    with pytest.raises(ValueError, match=rf"/{BUS} unpacks to 67108864 bytes, expected at most"):
        read(path)


def test_a_small_array_in_a_chunk_that_is_large_unpacked_is_refused_unread(tmp_path):
    path = bomb(tmp_path / "a.h5", (2,), chunks=(2**24,), maxshape=(None,), compression="gzip")
    with pytest.raises(ValueError, match=rf"/{BUS} unpacks to 67108864 bytes, expected at most"):
        read(path)


def test_arrays_over_the_limit_of_bytes_are_refused_however_large_their_file(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_limits, "MAX_BYTES", 23)
    with pytest.raises(ValueError, match=r"unpacks to 24 bytes, expected at most 23 \(100 times"):
        read(whole(tmp_path / "a.h5"))


def test_many_clips_that_are_one_array_are_refused(tmp_path):
    clips = [f"bus-lyon-1-{i}" for i in range(2000)]
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f[clips[0]] = np.ones(2**14)
        for clip in clips[1:]:
            f[clip] = f[clips[0]]  # a hard link
    with pytest.raises(ValueError, match=r"a.h5: what it holds unpacks to \d+ bytes, expected at"):
        read(tmp_path / "a.h5", clips=clips)


def test_many_frames_that_are_one_array_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f[f"{BUS}/0"] = np.ones(2**14)
        for k in range(1, 2000):
            f[f"{BUS}/{k}"] = f[f"{BUS}/0"]
    with pytest.raises(ValueError, match=rf"a.h5: /{BUS} unpacks to \d+ bytes, expected at most"):
        read(tmp_path / "a.h5")


def test_a_group_that_contains_itself_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["0/audio/x"] = np.ones(3)
        f["0/audio/again"] = f["0"]
    with pytest.raises(ValueError, match=r"a.h5: /0/audio/again is there twice, expected each"):
        read(tmp_path / "a.h5")


def test_a_link_that_is_called_clip_id_is_refused_and_not_followed(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["clip_id"] = h5py.ExternalLink(str(tmp_path / "absent.h5"), "/names")
        f["rows"] = np.ones((3, 2))
    with pytest.raises(ValueError, match=r"/clip_id is a ExternalLink; expected data in this file"):
        read(tmp_path / "a.h5")


def test_an_entry_that_unpacks_a_hundredfold_is_refused_unread(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", **{BUS: np.zeros(2**22)})
    with pytest.raises(ValueError, match=rf"{BUS}.npy unpacks to 335\d+ bytes, expected at most"):
        read(tmp_path / "a.npz")


def test_a_header_of_more_than_the_entry_holds_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", **{BUS: np.ones((3, 2))})
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        entry = archive.read(f"{BUS}.npy").replace(b"(3, 2), }      ", b"(3, 2222222), }")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr(f"{BUS}.npy", entry)
    with pytest.raises(ValueError, match=r"a.npz cannot be read \(EOF: reading array data"):
        read(tmp_path / "a.npz")


def test_entries_packed_otherwise_than_numpy_does_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(f"{BUS}.npy", b"x")
    with pytest.raises(ValueError, match=rf"{BUS}.npy is packed by method 14, expected deflate"):
        read(tmp_path / "a.npz")


def test_a_table_whose_columns_unpack_a_hundredfold_is_refused_unread(tmp_path):
    values = pa.ListArray.from_arrays(
        pa.array(range(0, 2**22 + 1, 2**12)), pa.array(np.zeros(2**22))
    )
    names = [BUS] * len(values)
    pq.write_table(pa.table({"clip_id": names, "embedding": values}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a.parquet: what it holds unpacks to 16\d+ bytes, expe"):
        read(tmp_path / "a.parquet")


def test_what_is_no_file_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "a.h5")  # to open it is to wait for ever
    with pytest.raises(FileNotFoundError, match=r"no features at .*a.h5"):
        list(feature_files.arrays(tmp_path / "a.h5", [BUS]))
