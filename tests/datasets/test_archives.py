import io
import os
import stat
import struct
import zipfile
from collections import namedtuple
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from avsc.datasets import archives
from avsc.datasets.archives import ArchiveError, Limits

FILES = {"audio/a.wav": b"sound" * 100, "meta.csv": b"filename\n"}


def zipped(entries, compression=zipfile.ZIP_DEFLATED):
    """Return the bytes of a zip of (name or ZipInfo, content)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def info(name, mode=0, **attributes):
    found = zipfile.ZipInfo("x")
    found.filename, found.external_attr = name, mode << 16
    for key, value in attributes.items():
        setattr(found, key, value)
    return found


def files(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


@pytest.fixture
def unpack(tmp_path):
    def unpack(content, **options):
        (tmp_path / "a.zip").write_bytes(content)
        return archives.unpack(tmp_path / "a.zip", tmp_path / "inner" / "target", **options)

    yield unpack
    outside = {p for p in tmp_path.rglob("*") if p.is_file() and "target" not in p.parts}
    assert outside <= {tmp_path / "a.zip"}


def test_the_files_of_an_archive_are_below_the_target(unpack, tmp_path):
    found = unpack(zipped(FILES.items()))
    assert found == {"audio/a.wav": 500, "meta.csv": 9}
    assert files(tmp_path / "inner" / "target") == FILES


def test_members_says_what_unpack_would_write_and_writes_nothing(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped(FILES.items()))
    assert archives.members(tmp_path / "a.zip") == {"audio/a.wav": 500, "meta.csv": 9}
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("top", ["set-2021", "set-2021.audio.1", "set-2021/set-2021.meta"])
def test_the_folder_that_archives_are_wrapped_in_is_left_out(unpack, top):
    assert unpack(zipped([(f"{top}/audio/a.wav", b"a")]), folder="set-2021") == {"audio/a.wav": 1}


def test_a_folder_that_only_begins_like_it_is_kept(unpack):
    assert unpack(zipped([("set-2021x/a", b"a")]), folder="set-2021") == {"set-2021x/a": 1}


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "..",
        "/etc/evil",
        "//host/evil",
        "..\\evil",
        "\\evil",
        "C:\\evil",
        "C:evil",
        "c:/evil",
        "a/b:stream",
        "set/../../evil",
    ],
)
def test_a_name_that_leads_out_is_refused(unpack, name):
    with pytest.raises(ArchiveError, match="leaves the folder"):
        unpack(zipped([("good", b""), (info(name), b"evil")]), folder="set")


@pytest.mark.parametrize("name", [".. /evil", "...", "a./b", "audio/b.wav ", "NUL", "a/com1.wav"])
def test_a_name_that_windows_takes_for_another_is_refused(unpack, name):
    with pytest.raises(ArchiveError, match="is another file or a device on Windows"):
        unpack(zipped([(info(name), b"evil")]))


@pytest.mark.parametrize("name", ["AUDIO/a.wav", "audio/A.WAV"])
def test_names_that_differ_by_case_alone_are_refused(unpack, name):
    with pytest.raises(ArchiveError, match="are one file where case is not told apart"):
        unpack(zipped([("audio/a.wav", b"1"), (name, b"2")]))


def test_names_that_differ_by_the_way_an_accent_is_written_are_refused(unpack):
    with pytest.raises(ArchiveError, match="are one file where case is not told apart"):
        unpack(zipped([("caf\u00e9", b"1"), ("cafe\u0301", b"2")]))


@pytest.mark.parametrize("name", ["a\x00../../evil", "a\nb", "a\x1b[2J"])
def test_a_name_with_control_characters_is_refused(unpack, name):
    with pytest.raises(ArchiveError, match="control characters"):
        unpack(
            zipped([(info("LONGNAME_" + "x" * 10), b"e")]).replace(
                b"LONGNAME_" + b"x" * 10, name.encode().ljust(19, b"x")
            )
        )


def test_a_name_that_no_file_system_takes_is_refused(unpack):
    with pytest.raises(ArchiveError, match="over 255 bytes"):
        unpack(zipped([("é" * 128, b"")]))


PARTS = st.sampled_from(["..", ".", "", "/", "\\", "C:", "set", "set.1", "é", "a", " ", "..."])


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(PARTS).map("/".join)), st.sampled_from(["", "set"]))
@example("set/..", "set")
@example("set//etc/passwd", "set")
def test_no_name_escapes_here_or_on_windows(name, folder):
    try:
        path = archives.inside(name, folder=folder)
    except ArchiveError:
        return
    root = Path("/data/target")
    assert not PurePosixPath(path).is_absolute()
    assert ".." not in PurePosixPath(path).parts
    assert Path(os.path.normpath(root / path / "x")).is_relative_to(root)
    windows = PureWindowsPath("D:/data/target")
    assert windows in (windows / path / "x").parents
    assert ".." not in PureWindowsPath(path).parts


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_a_link_or_device_is_refused(unpack, kind):
    with pytest.raises(ArchiveError, match="'audio' is a link or device"):
        unpack(zipped([(info("audio", kind | 0o777), b"/tmp"), ("audio/a", b"evil")]))


def test_a_link_that_lies_in_the_target_is_not_followed_out_of_it(unpack, tmp_path):
    target = tmp_path / "inner" / "target"
    target.mkdir(parents=True)
    (target / "audio").symlink_to(tmp_path)
    with pytest.raises(OSError, match="would be written through a link"):
        unpack(zipped(FILES.items()))


def test_a_file_that_is_a_link_is_not_written_through(unpack, tmp_path):
    target = tmp_path / "inner" / "target"
    target.mkdir(parents=True)
    (target / "real").write_bytes(b"mine")
    (target / "meta.csv").symlink_to("real")
    with pytest.raises(OSError, match="would be written through a link"):
        unpack(zipped(FILES.items()))
    assert (target / "real").read_bytes() == b"mine"


def test_the_target_itself_may_lie_behind_a_link(unpack, tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "disk" / "target").mkdir(parents=True)
    (tmp_path / "inner" / "target").symlink_to(tmp_path / "disk" / "target")
    unpack(zipped(FILES.items()))
    assert files(tmp_path / "disk" / "target") == FILES


def test_modes_of_the_archive_are_not_taken_over(unpack, tmp_path):
    unpack(zipped([(info("run", stat.S_IFREG | 0o6777), b"#!")]))
    assert not (tmp_path / "inner" / "target" / "run").stat().st_mode & 0o6111


def test_folders_alone_make_nothing(unpack):
    assert unpack(zipped([("audio/", b""), ("audio/a", b"a")])) == {"audio/a": 1}


def test_a_name_that_is_there_twice_is_refused(unpack):
    with pytest.raises(ArchiveError, match="'a' is there twice"):
        unpack(zipped([("a", b"1"), (info("./a"), b"2")]))


def test_a_file_that_is_a_folder_of_another_is_refused(unpack):
    with pytest.raises(ArchiveError, match="'a' is a file and a folder"):
        unpack(zipped([("a", b"1"), ("a/b", b"2")]))


def test_an_archive_of_too_many_files_is_refused(unpack):
    with pytest.raises(ArchiveError, match="holds 3 files, expected at most 2"):
        unpack(zipped([(n, n.encode()) for n in "abc"]), limits=Limits(files=2))


def test_an_archive_of_too_many_bytes_is_refused(unpack):
    with pytest.raises(ArchiveError, match="11 bytes unpacked, expected at most 10"):
        unpack(zipped([("a", b"12345"), ("b", b"123456")]), limits=Limits(size=10))


def test_an_archive_that_swells_a_hundredfold_is_refused(unpack):
    with pytest.raises(ArchiveError, match="at most 100 times as many"):
        unpack(zipped([("zeros", bytes(2**20))]))


def test_csv_files_and_silence_that_shrink_fiftyfold_are_taken(unpack):
    zeros = zipped([("zeros", bytes(8000))])
    assert 40 < 8000 / len(zeros) < 100
    unpack(zeros)


def test_files_that_share_their_packed_bytes_are_refused(unpack):
    # two entries of the directory that lead to one packed file
    once = zipped([("a", bytes(range(256)) * 4)], zipfile.ZIP_STORED)
    end = once.index(b"PK\5\6")
    start = once.index(b"PK\1\2")
    entry = once[start:end]
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, 2 * len(entry), start, 0)
    with pytest.raises(ArchiveError, match="its files overlap"):
        unpack(once[:start] + entry + entry.replace(b"a", b"b") + tail)


def test_a_file_that_is_longer_than_it_says_does_not_grow_past_that(unpack):
    honest = zipped([("a", b"x" * 5000)])
    liar = honest.replace(struct.pack("<L", 5000), struct.pack("<L", 50))
    with pytest.raises(ArchiveError, match="'a' is damaged"):
        unpack(liar)


def test_encrypted_files_are_refused(unpack):
    plain = bytearray(zipped([("a", b"x")]))
    plain[plain.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(ArchiveError, match="'a' is encrypted"):
        unpack(bytes(plain))


def test_a_volume_of_a_split_archive_is_refused(unpack):
    plain = bytearray(zipped([("a", b"x")]))
    plain[plain.index(b"PK\1\2") + 34] = 2
    with pytest.raises(ArchiveError, match="volume 2 of a split zip"):
        unpack(bytes(plain))


def test_a_method_other_than_deflate_is_refused(unpack):
    with pytest.raises(ArchiveError, match="packed by method 14, expected deflate"):
        unpack(zipped([("a", b"x")], zipfile.ZIP_LZMA))


@pytest.mark.parametrize("content", [b"", b"<html>busy</html>", zipped(FILES.items())[:-30]])
def test_what_is_no_zip_is_called_damaged(unpack, content):
    with pytest.raises(ArchiveError, match="is no whole zip"):
        unpack(content)


def test_a_damaged_file_is_named_and_leaves_nothing_behind(unpack, tmp_path):
    content = bytearray(zipped([("good", b"good"), ("bad", b"b" * 99)], zipfile.ZIP_STORED))
    content[content.index(b"bbbb")] ^= 1
    with pytest.raises(ArchiveError, match=r"'bad' is damaged .*; fetch it again"):
        unpack(bytes(content))
    assert files(tmp_path / "inner" / "target") == {"good": b"good"}


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_damage_is_an_error_or_harmless(tmp_path_factory, data):
    content = bytearray(zipped(FILES.items()))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    top = tmp_path_factory.mktemp("damage")
    (top / "a.zip").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = archives.unpack(top / "a.zip", top / "target")
    except ArchiveError:
        return
    written = files(top / "target") if found else {}
    assert {name: len(body) for name, body in written.items()} == found
    assert not list(top.rglob("*.part"))


def test_files_that_are_there_are_not_written_again(unpack, tmp_path):
    unpack(zipped(FILES.items()))
    target = tmp_path / "inner" / "target"
    before = {p: p.stat().st_mtime_ns for p in target.rglob("*") if p.is_file()}
    (target / "meta.csv").write_bytes(b"filenamX\n")
    unpack(zipped(FILES.items()))
    assert files(target) == FILES
    assert (target / "audio/a.wav").stat().st_mtime_ns == before[target / "audio/a.wav"]


def test_a_disk_without_room_is_told_before_the_first_file(unpack, tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(508))
    with pytest.raises(OSError, match="has 508 bytes free, expected 509 for the files of"):
        unpack(zipped(FILES.items()))
    assert files(tmp_path / "inner" / "target") == {}


def test_it_can_be_ended_between_two_files(unpack, tmp_path):
    calls = []

    def between():
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(zipped(FILES.items()), between=between)
    assert files(tmp_path / "inner" / "target") == {"audio/a.wav": FILES["audio/a.wav"]}


@pytest.mark.parametrize(
    "name",
    [".git/config", "a/.GIT/hooks/post-checkout", ".hg/hgrc", "a/.git", ".dvc/config", "GIT~1/x"],
)
def test_folder_of_version_control_is_refused(unpack, name):
    with pytest.raises(ArchiveError, match="which version control obeys; expected data alone"):
        unpack(zipped([("good", b""), (info(name), b"evil")]))


def test_names_like_those_of_version_control_are_accepted(unpack):
    assert unpack(zipped([("a/.gitignore", b"x"), ("a/git", b"y")])) == {
        "a/.gitignore": 1,
        "a/git": 1,
    }
