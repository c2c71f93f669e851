"""A wire between a client and a server on 127.0.0.1 that counts bytes and can be cut."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Wire:
    """Passes bytes on to a server.

    Attributes:
        port: where clients connect.
        sent: bytes that went to the server.
        received: bytes that came from it.
    """

    def __init__(self, server_port: int) -> None:
        self._server = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._ends: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.mend()

    def mend(self) -> None:
        """Pass everything on, and count from nothing."""
        self.sent = self.received = 0
        self._limit, self._cut = 0, lambda: None

    def cut_after(self, count: int, cut: Callable[[], object]) -> None:
        """Call `cut` once more than `count` bytes went one way; pass nothing on from there."""
        self.mend()
        self._limit, self._cut = count, cut

    def serve(self) -> None:
        """Accept clients until the wire is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._ends.append(end)
                for ends, way in (((client, server), "sent"), ((server, client), "received")):
                    threading.Thread(target=self._carry, args=(*ends, way), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        with suppress(OSError):
            while (data := source.recv(1 << 14)) and self._passes(len(data), way):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _passes(self, count: int, way: str) -> bool:
        with self._lock:
            setattr(self, way, getattr(self, way) + count)
            if not self._limit or max(self.sent, self.received) <= self._limit:
                return True
            cut, self._cut = self._cut, lambda: None
            cut()
            return False

    def close(self) -> None:
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def wired(server_port: int) -> Iterator[Wire]:
    wire = Wire(server_port)
    thread = threading.Thread(target=wire.serve)
    thread.start()
    try:
        yield wire
    finally:
        wire.close()
        thread.join()
