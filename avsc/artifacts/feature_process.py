"""Feature files of others, read in a process of their own.

A damaged or ill-meant HDF5 or Parquet file can crash or hang the library that reads it. Here that
ends the process that reads, and is an error that names the file. The process answers on its
standard output, in order:

{"clip_id", "where", "dtype", "shape"}    a line of JSON, then the bytes of the array
{"error"}                                 instead, where the file is refused; the last line
{"end"}                                   the last line, where it is not

The limits are of the kernel: a process that computes for too long over one array gets SIGPROF, one
that asks for too much memory a MemoryError (on Linux). It is no sandbox: it may do what its user
may.
"""

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from avsc.artifacts import feature_files
from avsc.artifacts.feature_files import Found

COMMAND = (sys.executable, "-m", "avsc.artifacts.feature_process")
ARRAY_S = 120.0  # of computing, for one array or a table of all
MEMORY_BYTES = 3 * 2**32  # thrice the largest array


def read(path: Path, clips: Collection[str]) -> Iterator[Found]:
    """Yield the arrays of `clips` in a file, as `feature_files.arrays` does.

    Raises:
        FileNotFoundError: if the file is not there.
        ValueError: if it is refused, or ends the process that reads it.
    """
    feature_files.check(path)
    asked = {"path": str(path), "clips": sorted(clips)}
    limits = {"array_s": ARRAY_S, "memory_bytes": MEMORY_BYTES}
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(json.dumps(asked | limits).encode())
            process.stdin.close()
            yield from _received(process.stdout)
        except (EOFError, BrokenPipeError, json.JSONDecodeError) as error:
            raise ValueError(
                f"{path} cannot be read: it ended the process that read it ({_end(process)}); "
                "it is damaged or not to be trusted: fetch it again, or write it anew"
            ) from error
        finally:
            process.kill()


def _received(stream: IO[bytes]) -> Iterator[Found]:
    while "end" not in (said := _line(stream)):
        if "error" in said:
            raise ValueError(said["error"])
        dtype, shape = np.dtype(said["dtype"]), tuple(said["shape"])
        content = stream.read(size := dtype.itemsize * int(np.prod(shape, dtype=np.int64)))
        if len(content) < size:
            raise EOFError
        yield Found(said["clip_id"], said["where"], np.frombuffer(content, dtype).reshape(shape))


def _line(stream: IO[bytes]) -> dict:
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return json.loads(line)


def _end(process: subprocess.Popen) -> str:
    code = process.wait()
    if code == -signal.SIGPROF:
        return f"over {ARRAY_S:g} s of computing for one array"
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def main() -> None:
    """Read the file that standard input asks for."""
    asked = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_DATA, (asked["memory_bytes"],) * 2)
    signal.setitimer(signal.ITIMER_PROF, asked["array_s"])
    out = sys.stdout.buffer
    try:
        for found in feature_files.arrays(Path(asked["path"]), frozenset(asked["clips"])):
            _send(out, found)
            signal.setitimer(signal.ITIMER_PROF, asked["array_s"])
    except (ValueError, FileNotFoundError) as error:
        out.write(json.dumps({"error": str(error)}).encode() + b"\n")
    else:
        out.write(b'{"end": true}\n')


def _send(out: IO[bytes], found: Found) -> None:
    about: dict[str, Any] = {"clip_id": found.clip_id, "where": found.where}
    about |= {"dtype": found.frames.dtype.str, "shape": found.frames.shape}
    out.write(json.dumps(about).encode() + b"\n")
    out.write(np.ascontiguousarray(found.frames).data)


if __name__ == "__main__":
    main()
