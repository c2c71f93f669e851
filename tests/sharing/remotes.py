"""Remotes of four kinds on this machine, each behind a wire of its own where it has one."""

import asyncio
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import asyncssh
import boto3
from moto.server import ThreadedMotoServer

from tests.sharing.wire import Wire, wired

USER, PASSWORD = "ada", "open sesame"


@dataclass(frozen=True)
class Remote:
    """A remote, and how a clone is told of it.

    Attributes:
        url: what `dvc remote add` takes.
        options: what `dvc remote modify` sets, in .dvc/config, which is in git.
        secrets: the same, in .dvc/config.local, which is not.
        environment: variables that DVC reads.
        objects: returns {path: size} of what it holds.
        wire: the way there, None for a folder.
    """

    url: str
    objects: Callable[[], dict[str, int]]
    options: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    wire: Wire | None = None


def files(folder: Path) -> dict[str, int]:
    """Return {path: size} of the files below a folder."""
    found = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.stat().st_size for p in found}


@contextmanager
def directory(folder: Path) -> Iterator[Remote]:
    yield Remote(str(folder), lambda: files(folder))


@contextmanager
def s3(folder: Path) -> Iterator[Remote]:
    folder.mkdir(parents=True)
    (folder / "config").touch()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    urlopen(f"http://127.0.0.1:{port}/moto-api/reset", data=b"").close()  # servers share a memory
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **keys)
    client.create_bucket(Bucket="features")

    def objects() -> dict[str, int]:
        found = client.list_objects_v2(Bucket="features").get("Contents", [])
        return {o["Key"].removeprefix("store/"): o["Size"] for o in found}

    try:
        with wired(port) as wire:
            yield Remote(
                "s3://features/store",
                objects,
                options={"endpointurl": f"http://127.0.0.1:{wire.port}"},
                environment={
                    "AWS_ACCESS_KEY_ID": "a",
                    "AWS_SECRET_ACCESS_KEY": "b",
                    "AWS_MAX_ATTEMPTS": "1",
                    "AWS_CONFIG_FILE": str(folder / "config"),
                    "AWS_SHARED_CREDENTIALS_FILE": str(folder / "config"),
                },
                wire=wire,
            )
    finally:
        client.close()
        server.stop()


@contextmanager
def ssh(folder: Path) -> Iterator[Remote]:
    (folder / "root").mkdir(parents=True)
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(folder / "key")
    key.write_public_key(folder / "key.pub")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def listen():
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            authorized_client_keys=str(folder / "key.pub"),
            sftp_factory=lambda channel: asyncssh.SFTPServer(
                channel, chroot=bytes(folder / "root")
            ),
        )

    def wait(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    server = wait(listen())
    try:
        with wired(server.get_port()) as wire:
            yield Remote(
                f"ssh://{USER}@127.0.0.1:{wire.port}/store",
                lambda: files(folder / "root/store"),
                secrets={"keyfile": str(folder / "key")},
                wire=wire,
            )
    finally:
        server.close()
        wait(server.wait_closed())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def http(folder: Path) -> Iterator[Remote]:
    """A server that asks for a password, and that keeps what is put into it once it is whole."""
    expected = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path = folder / self.path.lstrip("/")
            content = path.read_bytes() if path.is_file() else None
            self.answer(404 if content is None else 200, content or b"")

        do_HEAD = do_GET

        def do_PUT(self):
            length = int(self.headers.get("Content-Length", 0))
            content = self.rfile.read(length) if length else self.chunks()
            path = folder / self.path.lstrip("/")
            if self.headers.get("Authorization") == expected and len(content) >= length:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            self.answer(201, b"")

        def chunks(self):
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content

        def answer(self, status, body):
            if self.headers.get("Authorization") != expected:
                status, body = 401, b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with wired(server.server_address[1]) as wire:
                yield Remote(
                    f"http://127.0.0.1:{wire.port}/store",
                    lambda: files(folder / "store"),
                    options={"auth": "basic", "user": USER, "method": "PUT"},
                    secrets={"password": PASSWORD},
                    wire=wire,
                )
        finally:
            server.shutdown()
            thread.join()


KINDS = {"directory": directory, "s3": s3, "ssh": ssh, "http": http}
