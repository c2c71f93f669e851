"""One file over HTTP: resumed where it stopped, never mixed of two versions."""

import re
from collections.abc import Callable
from pathlib import Path

import requests
from requests import Response
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from avsc.datasets.sources import TIMEOUT_S, Archive

CHUNK = 2**20
MAX_BYTES = 64 * 2**30  # of a file whose size the list does not state
TRIES = 5  # without a new byte
WAIT_S = 1.0  # before the second try, then twice as long each time
LONGEST_WAIT_S = 300  # that a server may ask for
NUMBER = "([0-9]{1,18})"  # of bytes, as a header states it
AGAIN = {408, 425, 429, 500, 502, 503, 504}


class DownloadError(RuntimeError):
    """A file that could not be had."""


class _Setback(Exception):
    """A try that failed; `pause_s` is what the server asked to wait, None if it did not."""

    def __init__(self, message: str, pause_s: float | None = None) -> None:
        super().__init__(message)
        self.pause_s = pause_s


def download(
    archive: Archive,
    part: Path,
    *,
    wait: Callable[[float], None],
    at: Callable[[int], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Bring `part` to the full length of the archive; its content is the caller's to check.

    What `part` holds is kept and continued, if the server still has the same version (its strong
    ETag, which `<part>.etag` keeps; without one, only where an md5 will tell a mixture).

    Args:
        archive: what to download.
        part: file that grows.
        wait: called with seconds between two tries; what it raises ends the download.
        at: called with the length so far; what it raises ends the download.
        say: called with a line about each try that failed.

    Raises:
        DownloadError: if the server refuses, if five tries bring nothing new, or if a file whose
            size the list does not state has more than MAX_BYTES.
    """
    furthest, failures = _length(part), 0
    while True:
        try:
            return _attempt(archive, part, at)
        except (_Setback, requests.RequestException, HTTPError) as error:
            reached = _length(part)
            failures = 1 if reached > furthest else failures + 1
            furthest = max(furthest, reached)
            if failures >= TRIES:
                raise DownloadError(
                    f"{archive.url}: {_cause(error)}; {TRIES} tries brought nothing new. "
                    f"The {reached} bytes so far are kept: run again to continue"
                ) from error
            asked = error.pause_s if isinstance(error, _Setback) else None
            pause_s = WAIT_S * 2 ** (failures - 1) if asked is None else asked
            say(f"{archive.name}: {_cause(error)}; again in {pause_s:g} s")
            wait(pause_s)


def forget(part: Path) -> None:
    """Delete a partial file and what is known of it."""
    _etag(part).unlink(missing_ok=True)
    part.unlink(missing_ok=True)


def _attempt(archive: Archive, part: Path, at: Callable[[int], None]) -> None:
    start = _start(archive, part)
    at(start)
    if start and start == archive.size:
        return
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if _etag(part).is_file():
            headers["If-Range"] = _etag(part).read_text("utf-8")
    with requests.get(archive.url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
        if archive.size is not None or not _whole(answer, start):
            offset, total = _extent(answer, archive, part, start)
            if archive.size is None and (total or 0) > MAX_BYTES:
                raise _too_large(archive.url, part)
            _receive(answer, part, offset, total, at)


def _start(archive: Archive, part: Path) -> int:
    """Return from which byte to go on; a part that cannot be continued is deleted."""
    start = _length(part)
    sure = archive.md5 is not None or _etag(part).is_file()
    if start and (not sure or (archive.size is not None and start > archive.size)):
        forget(part)
        return 0
    return start


def _whole(answer: Response, start: int) -> bool:
    """Return whether the server says that there is no more than `start` bytes."""
    if answer.status_code != requests.codes.requested_range_not_satisfiable or not start:
        return False
    return answer.headers.get("Content-Range", "") == f"bytes */{start}"


def _extent(answer: Response, archive: Archive, part: Path, start: int) -> tuple[int, int | None]:
    """Return the offset of the body that comes and the length of the file, None if unknown."""
    _check_status(answer, part)
    length = re.fullmatch(NUMBER, answer.headers.get("Content-Length", ""))
    offset, total = 0, int(length[1]) if length else None
    if answer.status_code == requests.codes.partial_content:
        given = answer.headers.get("Content-Range", "")
        found = re.fullmatch(f"bytes {NUMBER}-[0-9]+/{NUMBER}", given)
        known = _etag(part).read_text("utf-8") if _etag(part).is_file() else ""
        if not found or int(found[1]) != start or (known and _strong(answer) not in ("", known)):
            forget(part)
            raise _Setback(
                f"the server sent {given[:60]!r} of another version; expected it from {start}"
            )
        offset, total = start, int(found[2])
    expected = total if archive.size is None else archive.size
    if total is not None and total != expected:
        packed = answer.headers.get("Content-Encoding")
        cause = f"packed by {packed}" if packed else "an error page, or another release"
        raise _Setback(f"the server announces {total} bytes, expected {expected}: {cause}")
    if expected is None and archive.md5 is None:
        raise DownloadError(
            f"{archive.url}: the server states no length and the list neither bytes nor md5, "
            "expected one of them; without it nothing could be checked"
        )
    return offset, expected


def _check_status(answer: Response, part: Path) -> None:
    code = answer.status_code
    if code == requests.codes.requested_range_not_satisfiable:
        forget(part)
        raise _Setback("the server has less than the part so far; starting anew")
    if code in AGAIN:
        asked = Retry(retry_after_max=LONGEST_WAIT_S).get_retry_after(answer.raw)
        pause_s = None if asked is None else float(asked)
        raise _Setback(f"the server answers {code} {answer.reason}", pause_s)
    if code not in (requests.codes.ok, requests.codes.partial_content):
        raise DownloadError(
            f"{answer.url}: the server answers {code} {answer.reason}, expected the file; look at "
            "the address in a browser, or name another by --mirror"
        )


def _receive(
    answer: Response, part: Path, offset: int, total: int | None, at: Callable[[int], None]
) -> None:
    if not offset:
        forget(part)
        if tag := _strong(answer):
            _etag(part).write_text(tag, "utf-8")
    reached = offset
    with part.open("ab") as file:
        # read1 hands on what has come, where read would lose it if the connection broke
        while chunk := answer.raw.read1(CHUNK, decode_content=False):
            file.write(chunk)
            file.flush()  # all of it or an OSError; a kill loses nothing that has come
            reached += len(chunk)
            at(reached)
            if total is not None and reached > total:
                break
            if total is None and reached > MAX_BYTES:
                raise _too_large(answer.url, part)
    if total is not None and reached > total:
        forget(part)
        raise _Setback(f"the server sends more than the {total} bytes expected")
    if total is not None and reached < total:
        raise _Setback(f"the connection ended at {reached} of {total} bytes")


def _too_large(url: str, part: Path) -> DownloadError:
    forget(part)
    return DownloadError(
        f"{url} has more than {MAX_BYTES} bytes, the most where the list states no size; is it the "
        "right file? Then give its size in the list"
    )


def _cause(error: Exception) -> object:
    """Return what the layers of requests and urllib3 are wrapped around."""
    inner = error.args[0] if error.args else error
    if isinstance(inner, HTTPError) and not hasattr(inner, "reason"):
        return _cause(inner)
    return getattr(inner, "reason", None) or inner


def _strong(answer: Response) -> str:
    tag = answer.headers.get("ETag", "")
    return "" if tag.startswith("W/") else tag


def _etag(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
