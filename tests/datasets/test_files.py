"""Where the paths of a csv lead: to a file inside the root, or to the list of its faults."""

import pytest

from avsc.datasets import files

LEAVES = "path that leaves the data set's root"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root/audio").mkdir(parents=True)
    (tmp_path / "root/audio/a.wav").touch()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a.wav").touch()
    return (tmp_path / "root").resolve()


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "//host/share/a.wav",
        "..",
        "../outside/a.wav",
        "audio/../../outside/a.wav",
        "audio/..",
        "a\\..\\..\\b.wav",
        "..\\outside\\a.wav",
        "\\\\host\\share\\a.wav",
        "C:x.wav",
        "c:/x.wav",
        "C:\\x.wav",
        "audio/a.wav\x00.txt",
        "audio/\x00",
        "audio/a\n.wav",
        "audio/\u202egpj.wav",
        "",
        ".",
        "~/../../etc/passwd",
    ],
)
def test_a_path_that_could_lead_elsewhere_here_or_on_windows_is_refused(root, path):
    assert files.locate(root, path)[0] == LEAVES


@pytest.mark.parametrize("target", ["../../outside/a.wav", "/etc/passwd", "chain"])
def test_a_link_out_of_the_root_is_refused_however_long_the_chain(root, target):
    (root / "audio/chain").symlink_to("../../outside/a.wav")
    (root / "audio/link.wav").symlink_to(target)
    assert files.locate(root, "audio/link.wav")[0] == LEAVES


def test_a_folder_that_is_a_link_out_of_the_root_is_refused(root):
    (root / "video").symlink_to("../outside", target_is_directory=True)
    assert files.locate(root, "video/a.wav")[0] == LEAVES


def test_a_link_that_stays_inside_is_followed(root):
    (root / "audio/link.wav").symlink_to("a.wav")
    assert files.locate(root, "audio/link.wav") == ("", root / "audio/a.wav")


def test_a_loop_of_links_is_a_fault_and_no_crash(root):
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")
    assert files.locate(root, "one")[0] in ("file that cannot be read", "file absent")
