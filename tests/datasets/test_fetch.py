import re
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple

import pytest
from typer.testing import CliRunner

from avsc.cli import data
from avsc.datasets import fetch, sources, store
from avsc.datasets.store import FetchError
from tests.datasets.archive_server import answer, drop
from tests.datasets.test_archives import files, zipped
from tests.datasets.toy_archives import ARCHIVES, FILES, TOP, md5, published
from tests.pipeline.project import ROOT


@pytest.fixture
def run(listed, tmp_path):
    """Return a function that fetches and returns the lines said."""

    def run(source=None, **options):
        said = []
        target, archives = tmp_path / "set", tmp_path / "archives"
        options = {"say": said.append, "wait": lambda _: None, "connections": 2} | options
        fetch.fetch(source or listed(), target, archives, **options)
        return said

    return run


def content(folder):
    return {name: body for name, body in files(folder).items() if name != ".gitignore"}


def test_all_files_of_all_archives_are_there(run, tmp_path):
    said = run()
    assert content(tmp_path / "set") == FILES
    assert (tmp_path / "archives" / "TOY.meta.zip").read_bytes() == ARCHIVES["meta"]
    assert not list(tmp_path.rglob("*.part*"))
    assert "TOY.meta.zip: 1 files, md5 is right" in said


def test_a_part_may_go_into_a_folder_of_its_own(run, listed, tmp_path):
    entry = published()["meta"] | {"into": "doc"}
    run(listed({"meta": entry}))
    assert set(content(tmp_path / "set")) == {"doc/meta.csv"}
    run(listed({"meta": entry}))


def test_what_is_fetched_stays_out_of_git(run, tmp_path):
    run()
    assert (tmp_path / "set" / ".gitignore").read_text() == "*\n"


def test_a_second_fetch_asks_for_nothing(run, server):
    run()
    server.asked.clear()
    assert run() == ["3 of 3 archives are there"]
    assert server.asked == []


@pytest.mark.parametrize("harm", ["gone", "short"])
def test_a_file_that_is_harmed_comes_out_of_the_kept_archive(run, server, tmp_path, harm):
    run()
    server.asked.clear()
    file = tmp_path / "set" / "audio" / "a.wav"
    file.unlink() if harm == "gone" else file.write_bytes(b"short")
    run()
    assert content(tmp_path / "set") == FILES
    assert server.asked == []


def test_archives_that_are_discarded_are_not_fetched_again(run, server, tmp_path):
    run(keep=False)
    assert content(tmp_path / "set") == FILES
    assert not list((tmp_path / "archives").glob("*.zip"))
    server.asked.clear()
    run(keep=False)
    assert server.asked == []


def test_a_file_of_a_discarded_archive_that_is_gone_is_fetched_again(run, server, tmp_path):
    run(keep=False)
    server.asked.clear()
    (tmp_path / "set" / "audio" / "a.wav").unlink()
    run(keep=False)
    assert [path for path, _ in server.asked] == ["/TOY.audio.1.zip"]
    assert content(tmp_path / "set") == FILES


def test_archives_that_were_put_there_by_hand_are_checked_and_used(run, server, tmp_path):
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "TOY.meta.zip").write_bytes(ARCHIVES["meta"])
    (tmp_path / "archives" / "TOY.audio.1.zip").write_bytes(b"not it")
    said = run()
    assert sorted(p for p, _ in server.asked) == ["/TOY.audio.1.zip", "/TOY.audio.2.zip"]
    assert content(tmp_path / "set") == FILES
    assert f"corrupt, deleted (copy 1 of 3): 6 bytes, expected {len(ARCHIVES['audio.1'])}" in str(
        said
    )


def test_a_corrupt_copy_is_refused_and_fetched_again(run, server, tmp_path):
    bad = ARCHIVES["meta"][:-1] + b"!"
    server.quirks.append(lambda handler, *_: answer(handler, 200, bad))
    said = run(connections=1)
    told = f"TOY.meta.zip: corrupt, deleted (copy 1 of 3): md5 {md5(bad)}, expected "
    assert told + md5(ARCHIVES["meta"]) in said
    assert content(tmp_path / "set") == FILES


def test_an_archive_that_is_corrupt_on_the_server_is_given_up_and_the_others_are_there(
    run, server, tmp_path
):
    server.files["/TOY.audio.1.zip"] = ARCHIVES["audio.1"][::-1]
    with pytest.raises(FetchError, match=r"1 of 3 archives could not(.|\n)*was corrupt 3 times"):
        run()
    assert set(content(tmp_path / "set")) == {"meta.csv", "audio/b.wav"}
    assert not list((tmp_path / "archives").glob("TOY.audio.1.zip*"))
    assert len([p for p, _ in server.asked if p == "/TOY.audio.1.zip"]) == fetch.COPIES


def test_without_md5_a_damaged_archive_is_told_by_its_crc(run, listed, server, tmp_path):
    bad = bytearray(ARCHIVES["meta"])
    bad[40 + len(TOP)] ^= 1
    server.quirks.append(lambda handler, *_: answer(handler, 200, bytes(bad)))
    said = run(listed({"meta": None}))
    assert any(re.search(r"copy 1 of 3.*is damaged", line) for line in said)
    assert "TOY.meta.zip: 1 files, no md5 is known: length and CRC-32 are right" in said
    assert set(content(tmp_path / "set")) == {"meta.csv"}


def test_an_archive_whose_md5_is_right_and_that_is_not_safe_is_fetched_once(run, listed, server):
    evil = zipped([("../evil", b"evil")])
    server.files["/TOY.evil.zip"] = evil
    with pytest.raises(FetchError, match=r"'../evil' leaves the folder"):
        run(listed(published({"evil": evil})))
    assert len(server.asked) == 1


def test_archives_that_break_off_meanwhile_come_all_the_same(run, server, tmp_path):
    server.quirks += [drop(50), drop(60), drop(70)]
    run(connections=3)
    assert content(tmp_path / "set") == FILES


def test_a_killed_fetch_goes_on_where_it_stopped(run, listed, server, tmp_path):
    stalled, over = threading.Event(), threading.Event()

    def stall(handler, body, _):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("ETag", '"one"')
        handler.end_headers()
        handler.wfile.write(body[:100])
        handler.wfile.flush()
        stalled.set()
        over.wait(20)

    listed()
    server.quirks.append(stall)
    code = (
        "import sys; from pathlib import Path; from avsc.datasets import fetch, sources\n"
        "top = Path(sys.argv[1]); source = sources.read(top / 'list.yaml', 'development')\n"
        "fetch.fetch(source, top / 'set', top / 'archives', connections=1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
    part = tmp_path / "archives" / "TOY.meta.zip.part"
    try:
        assert stalled.wait(20)
        until = time.monotonic() + 20
        while not (part.is_file() and part.stat().st_size == 100) and time.monotonic() < until:
            time.sleep(0.005)
    finally:
        process.kill()
        assert process.wait() == -signal.SIGKILL
        over.set()
    assert part.read_bytes() == ARCHIVES["meta"][:100]
    run(connections=1)
    assert server.ranges_asked == [None, "bytes=100-", None, None]
    assert content(tmp_path / "set") == FILES


def test_an_interruption_ends_all_connections(run, server, tmp_path):
    def drip_one(handler, body, _):
        if handler.path != "/slow.zip":
            return answer(handler, 200, body)
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        for _ in range(10_000):
            handler.wfile.write(b"x")
            time.sleep(0.001)
        return None

    def say(line):
        if "md5 is right" in line:
            raise KeyboardInterrupt

    source = sources.Source("", "", "", "", ())
    ones = [
        sources.Archive("slow", "slow.zip", f"{server.url}/slow.zip", None, "0" * 32),
        sources.Archive("b", "b.zip", f"{server.url}/b.zip", None, md5(ARCHIVES["meta"])),
    ]
    server.files |= {"/slow.zip": b"", "/b.zip": ARCHIVES["meta"]}
    server.quirks += [drip_one, drip_one]
    with pytest.raises(KeyboardInterrupt):
        run(sources.replace(source, archives=tuple(ones)), say=say)
    assert (tmp_path / "archives" / "b.zip").is_file()


@pytest.mark.slow
def test_the_command_ends_on_ctrl_c_though_a_server_sends_nothing(listed, server, tmp_path):
    stalled, over, ended = threading.Event(), threading.Event(), threading.Event()

    def stall(*_):
        stalled.set()
        over.wait(20)
        ended.set()

    listed()
    server.quirks.append(stall)
    options = ["--sources", str(tmp_path / "list.yaml"), "--to", str(tmp_path / "set")]
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heard}\nfrom avsc.cli import app; app()"  # a shell's background job may ignore it
    command = [sys.executable, "-c", code, "data", "fetch", "--accept-licence", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert stalled.wait(20)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate()
            assert not ended.is_set()
        finally:
            over.set()
            process.kill()
    assert process.returncode == 130
    assert said.endswith("error: interrupted; what came is kept, run again to continue\n")


@pytest.mark.parametrize("kind", ["a file", "a link to nothing"])
def test_a_folder_that_cannot_be_made_is_told(run, tmp_path, kind):
    if kind == "a file":
        (tmp_path / "set").write_bytes(b"in the way")
    else:
        (tmp_path / "set").symlink_to(tmp_path / "unmounted")
    with pytest.raises(
        FetchError, match=r"set cannot be made \(File exists\).*not mounted\? choose"
    ):
        run()


def test_a_disk_without_room_is_told_before_anything_is_asked_for(run, server, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1000))
    with pytest.raises(FetchError, match="GB for archives and their files"):
        run()
    assert server.asked == []


def test_the_room_needed_is_archives_and_a_quarter_more_for_their_files(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    one = sources.Archive("a", "a.zip", "http://a", 4 * 10**9, None)
    two = sources.Archive("b", "b.zip", "http://b", 8 * 10**9, None)

    def needed(free, **options):
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage(free))
        options = {"connections": 1, "keep": True} | options
        store.check_space([one, two], tmp_path / "set", tmp_path / "archives", **options)

    needed(27 * 10**9)  # 12 packed, 15 unpacked
    with pytest.raises(FetchError, match=r"has 26\.99 GB free, expected 27\.00 GB for archives"):
        needed(26_990_000_000)
    with pytest.raises(FetchError, match=r"has 22\.99 GB free, expected 23\.00 GB"):
        needed(22_990_000_000, keep=False)  # 8 packed, 15 unpacked


def test_a_disk_that_is_full_ends_the_fetch(run, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "audio").write_bytes(b"in the way")
    with pytest.raises(FetchError, match="what came is kept: mend the disk or the folder"):
        run()


def test_two_fetches_into_one_folder_do_not_meet(run, tmp_path):
    (tmp_path / "archives").mkdir()
    with (
        store.alone(tmp_path / "archives"),
        pytest.raises(FetchError, match="another fetch is at work in"),
    ):
        run()


@pytest.fixture
def command(listed, tmp_path):
    def command(*options, said=""):
        listed()
        place = ["--sources", str(tmp_path / "list.yaml"), "--to", str(tmp_path / "set")]
        return CliRunner().invoke(data.app, ["fetch", *place, *options], input=said)

    return command


def test_the_command_fetches_once_the_licence_is_accepted(command, tmp_path):
    done = command("--accept-licence")
    assert done.exit_code == 0, done.output
    assert "licence: toy use only" in done.stderr
    assert "all of it is in" in done.stdout
    got = {n: body for n, body in content(tmp_path / "set").items() if "archives/" not in n}
    assert got == FILES


def test_the_command_asks_for_the_licence(command, tmp_path):
    assert command(said="y\n").exit_code == 0
    assert (tmp_path / "set" / "meta.csv").is_file()


@pytest.mark.parametrize("said", ["n\n", ""])
def test_the_command_fetches_nothing_before_the_licence_is_accepted(command, server, said):
    done = command(said=said)
    assert done.exit_code == 1
    assert "the licence was not accepted; nothing was fetched" in done.stderr
    assert server.asked == []


def test_the_command_tells_what_it_cannot_do(command, server):
    server.files.clear()
    done = command("--accept-licence")
    assert done.exit_code == 1
    assert "error: 3 of 3 archives could not be fetched" in done.stderr
    done = command("--part", "sound")
    assert "no archive is called 'sound'" in done.stderr
