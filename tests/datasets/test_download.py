import gzip
import resource
import socket
from email.utils import formatdate
from itertools import pairwise

import pytest

from avsc.datasets import download
from avsc.datasets.download import DownloadError
from avsc.datasets.sources import Archive
from tests.datasets.archive_server import answer, drop, say, serving

CONTENT = bytes(range(256)) * 40  # 10 240 bytes, no two of the same remainder alike
MD5 = "0" * 32  # the caller's to check


@pytest.fixture
def server():
    with serving() as server:
        server.files["/a.zip"] = CONTENT
        yield server


class Client:
    """Downloads /a.zip of a server, and remembers how long it would have waited."""

    def __init__(self, server, part):
        self.server, self.part, self.waited, self.at = server, part, [], []

    def __call__(self, *, size=10240, md5=MD5):
        archive = Archive("a", "a.zip", f"{self.server.url}/a.zip", size, md5)
        download.download(archive, self.part, wait=self.waited.append, at=self.at.append)
        return self.part.read_bytes()

    def has(self, content, etag=""):
        self.part.write_bytes(content)
        if etag:
            self.part.with_name("a.zip.part.etag").write_text(etag)


@pytest.fixture
def client(server, tmp_path):
    return Client(server, tmp_path / "a.zip.part")


@pytest.mark.parametrize(("size", "md5"), [(10240, MD5), (10240, None), (None, MD5), (None, None)])
def test_a_file_arrives_whatever_is_known_of_it(client, size, md5):
    assert client(size=size, md5=md5) == CONTENT
    assert client.waited == []


def test_what_came_before_the_connection_broke_is_not_asked_for_again(client, server):
    server.quirks += [drop(1000), drop(2000)]
    assert client() == CONTENT
    assert server.ranges_asked == [None, "bytes=1000-", "bytes=3000-"]
    assert [headers.get("if-range") for _, headers in server.asked] == [None, '"one"', '"one"']


def test_a_server_that_breaks_off_often_is_borne_as_long_as_something_comes(client, server):
    server.quirks += [drop(1000)] * 10
    assert client() == CONTENT
    assert client.waited == [download.WAIT_S] * 10


def test_an_earlier_part_is_continued(client, server):
    client.has(CONTENT[:4000], '"one"')
    assert client() == CONTENT
    assert server.ranges_asked == ["bytes=4000-"]


def test_a_part_that_is_whole_is_not_asked_for(client, server):
    client.has(CONTENT)
    assert client() == CONTENT
    assert server.asked == []


def test_a_part_of_unknown_length_that_is_whole_is_seen_to_be(client, server):
    client.has(CONTENT, '"one"')
    assert client(size=None) == CONTENT
    assert server.ranges_asked == ["bytes=10240-"]


def test_a_part_that_is_too_long_is_fetched_anew(client, server):
    client.has(CONTENT + b"more", '"one"')
    assert client() == CONTENT
    assert server.ranges_asked == [None]


def test_a_part_of_a_version_that_the_server_no_longer_has_is_fetched_anew(client, server):
    client.has(b"old" * 1000, '"zero"')
    assert client(md5=None) == CONTENT
    assert server.ranges_asked == ["bytes=3000-"]


def test_a_version_that_changes_between_two_parts_is_fetched_anew(client, server):
    def broken_then_changed(handler, content, start):
        drop(1000)(handler, content, start)
        server.etag, server.files["/a.zip"] = '"two"', CONTENT[::-1]

    server.quirks.append(broken_then_changed)
    assert client() == CONTENT[::-1]


def test_a_server_that_continues_with_another_version_is_not_believed(client, server):
    client.has(CONTENT[:1000], '"zero"')
    server.quirks.append(lambda handler, content, _: drop(9999)(handler, content, 1000))
    assert client() == CONTENT
    assert server.ranges_asked == ["bytes=1000-", None]


def test_a_server_that_continues_at_another_byte_is_not_believed(client, server):
    server.quirks += [drop(1000), lambda handler, content, _: drop(10)(handler, content, 900)]
    assert client() == CONTENT
    assert server.ranges_asked == [None, "bytes=1000-", None]


def test_a_server_without_ranges_starts_anew(client, server):
    server.ranges = False
    server.quirks.append(drop(1000))
    assert client() == CONTENT
    assert client.at[:3] == [0, 1000, 1000]


@pytest.mark.parametrize("etag", ["", 'W/"one"'])
def test_without_version_and_md5_a_part_is_not_continued(client, server, etag):
    server.etag = etag
    server.quirks.append(drop(1000, ETag=etag))
    assert client(md5=None) == CONTENT
    assert server.ranges_asked == [None, None]


def test_without_version_an_md5_is_enough_to_continue(client, server):
    server.etag = ""
    server.quirks.append(drop(1000, ETag=""))
    assert client() == CONTENT
    assert server.ranges_asked == [None, "bytes=1000-"]


@pytest.mark.parametrize("lie", [12, 999_999])
def test_another_length_than_the_list_says_is_refused_and_the_part_kept(client, server, lie):
    client.has(CONTENT[:1000])
    server.ranges = False
    server.quirks += [lambda h, c, _: answer(h, 200, c, length=lie)] * download.TRIES
    with pytest.raises(DownloadError, match=f"announces {lie} bytes, expected 10240.*The 1000 "):
        client()
    assert len(server.asked) == download.TRIES


def test_a_length_that_is_a_lie_once_does_no_harm(client, server):
    server.quirks.append(lambda h, c, _: answer(h, 200, c, length=12))
    assert client() == CONTENT


def test_less_than_the_server_announces_is_not_taken_for_the_whole(client, server):
    server.ranges = False
    server.quirks += [lambda h, c, _: answer(h, 200, c, length=20_000)] * download.TRIES
    with pytest.raises(DownloadError, match="5 tries brought nothing new"):
        client(size=None)


def test_less_than_the_list_says_from_a_server_that_says_nothing_is_asked_for(client, server):
    server.quirks.append(lambda h, c, _: answer(h, 200, c[:5000], length=False))
    assert client() == CONTENT
    assert server.ranges_asked == [None, "bytes=5000-"]


def test_more_than_expected_is_refused(client, server):
    server.quirks += [lambda h, c, _: answer(h, 200, c + b"!", length=False)] * download.TRIES
    with pytest.raises(DownloadError, match="sends more than the 10240 bytes expected"):
        client()
    assert not client.part.exists()


def test_a_file_of_which_nothing_can_be_checked_is_refused(client, server):
    server.quirks.append(lambda h, c, _: answer(h, 200, c, length=False))
    with pytest.raises(DownloadError, match="states no length and the list neither bytes nor md5"):
        client(size=None, md5=None)


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "7", 7),
        (503, "0", 0),
        (503, "1000000", 300),
        (503, "soon", 1),
        (429, None, 1),
        (500, None, 1),
    ],
)
def test_a_busy_server_is_waited_for_as_it_asks(client, server, status, header, seconds):
    server.quirks.append(say(status, **{"Retry-After": header} if header else {}))
    assert client() == CONTENT
    assert client.waited == [seconds]


def test_a_busy_server_may_name_the_time(client, server):
    server.quirks.append(say(503, Retry_After=formatdate(usegmt=True)))
    assert client() == CONTENT
    assert client.waited == [0]  # a time that is past


def test_waits_double_until_it_gives_up(client, server):
    server.quirks += [say(503)] * download.TRIES
    with pytest.raises(DownloadError, match="503 Service Unavailable; 5 tries brought nothing"):
        client()
    assert len(client.waited) == download.TRIES - 1
    assert all(later == 2 * earlier for earlier, later in pairwise(client.waited))


def test_a_server_that_always_breaks_off_at_the_same_byte_is_given_up(client, server):
    server.ranges = False
    server.quirks += [drop(1000)] * 50
    with pytest.raises(DownloadError, match="The 1000 bytes so far are kept"):
        client()
    assert len(server.asked) == download.TRIES


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_server_that_refuses_is_not_asked_again(client, server, status):
    server.quirks.append(say(status))
    with pytest.raises(DownloadError, match=f"answers {status} .*expected the file; look at"):
        client()
    assert len(server.asked) == 1


def test_a_server_that_is_not_there_is_told(client):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        client.server.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(DownloadError, match=r"refused.*5 tries brought nothing new"):
            client()


def test_a_server_that_ends_without_an_answer_is_told(client, server):
    server.quirks += [lambda *_: None] * download.TRIES
    with pytest.raises(DownloadError, match=r"zip: Connection aborted\.; 5 tries brought nothing"):
        client()


def test_a_length_of_too_many_digits_is_none(client, server):
    huge = "9" * 5000  # more than Python makes an int of
    server.quirks += [drop(1000), say(206, b"", Content_Range=f"bytes 1000-10239/{huge}")]
    server.quirks.append(say(200, CONTENT, length=huge))
    assert client() == CONTENT
    assert server.ranges_asked == [None, "bytes=1000-", None]


def test_a_disk_that_fills_up_is_told_and_what_came_is_kept(client):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            client()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert client.part.read_bytes() == CONTENT[:5000]


def test_packed_transfer_that_comes_all_the_same_is_told(client, server):
    packed = gzip.compress(CONTENT)
    server.quirks += [say(200, packed, Content_Encoding="gzip")] * download.TRIES
    with pytest.raises(DownloadError, match="bytes, expected 10240: packed by gzip"):
        client()


def test_packed_transfer_is_declined(client, server):
    client()
    assert server.asked[0][1]["accept-encoding"] == "identity"


@pytest.mark.parametrize("length", [True, False])
def test_file_of_unlisted_size_is_bounded(client, server, monkeypatch, length):
    monkeypatch.setattr(download, "MAX_BYTES", 10_239)
    server.quirks.append(lambda h, c, _: answer(h, 200, c, length=length))
    with pytest.raises(
        DownloadError, match="has more than 10239 bytes, the most where the list st"
    ):
        client(size=None)
    assert not client.part.exists()
    assert client(size=10_240) == CONTENT
