"""An archive server on 127.0.0.1, honest but for the quirks that a test asks for."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Server:
    """What is served and what was asked.

    Attributes:
        files: content by path.
        quirks: called instead of an honest answer, one a request, in turn.
        etag: validator of every file, "" for none.
        ranges: whether ranges are served.
        asked: (path, headers) of every request.
    """

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    quirks: deque[Callable] = field(default_factory=deque)
    etag: str = '"one"'
    ranges: bool = True
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def ranges_asked(self):
        return [headers.get("range") for _, headers in self.asked]


def answer(handler, status, body, *, length=True, **headers):
    """Send an answer; `length` is True for Content-Length as it is, False for none, or a lie."""
    handler.send_response(status)
    if length is not False:
        handler.send_header("Content-Length", str(len(body) if length is True else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def drop(count, **headers):
    """Return a quirk: the connection ends after `count` bytes of what was asked for."""

    def quirk(handler, content, start):
        rest = content[start:]
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        status = 206 if start else 200
        answer(handler, status, rest[:count], length=len(rest), **{"ETag": '"one"'} | headers)

    return quirk


def say(status, body=b"", **headers):
    """Return a quirk: this answer."""

    def quirk(handler, *_):
        answer(handler, status, body, **headers)

    return quirk


@contextmanager
def serving() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            headers = {k.lower(): v for k, v in self.headers.items()}
            served.asked.append((self.path, headers))
            with suppress(ConnectionError):
                respond(self, headers)

        def log_message(self, *_):
            pass

    def respond(handler, headers):
        content = served.files.get(handler.path)
        if content is None:
            return answer(handler, 404, b"no such file")
        start = int(headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        if not served.ranges or headers.get("if-range", served.etag) != served.etag:
            start = 0
        if served.quirks:
            return served.quirks.popleft()(handler, content, start)
        etag = {"ETag": served.etag} if served.etag else {}
        if not start:
            return answer(handler, 200, content, **etag)
        if start >= len(content):
            return answer(handler, 416, b"", Content_Range=f"bytes */{len(content)}")
        place = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return answer(handler, 206, content[start:], Content_Range=place, **etag)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Server(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
