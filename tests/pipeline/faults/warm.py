"""A Python that holds torch in memory and is forked: a stage starts in a tenth of the time.

`python warm.py <socket>` waits there. Where sitecustomize.py is CLIENT, `python -m stages.<stage>`
and `python -m dvc` are handed over, with their files, environment and process group: signals reach
them, and how they end is how the client ends. `.trace/fault.py`, if there is one, runs before them.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

HEAVY = (
    "av",
    "dulwich.repo",
    "dvc.api",
    "dvc.cli",
    "dvc.commands.repro",
    "dvc.fs.dvc",
    "dvc.repo.reproduce",
    "dvc.stage.cache",
    "dvc_render",
    "h5py",
    "jinja2",
    "plotly.io",
    "pyarrow.compute",
    "pyarrow.parquet",
    "pygit2",
    "ruamel.yaml",
    "safetensors.torch",
    "scipy.signal",
    "scipy.stats",
    "sklearn.linear_model",
    "sklearn.manifold",
    "soundfile",
    "soxr",
    "timm",
    "torch",
    "transformers.models.audio_spectrogram_transformer.modeling_audio_spectrogram_transformer",
)
CLIENT = """
import os, sys

if sys.argv[0] == "-m" and sys.orig_argv[2].startswith(("stages.", "dvc")):
    code = 97
    try:
        import json, signal, socket

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of one group, it reaches who does the work
        server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        server.connect(os.environ["AVSC_WARM"])
        asked = [sys.orig_argv[2:], os.getcwd(), dict(os.environ), os.getpgid(0)]
        socket.send_fds(server, [json.dumps(asked).encode()], [0, 1, 2])
        code = os.waitstatus_to_exitcode(int.from_bytes(server.recv(4), "little"))
        if code < 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
    finally:
        os._exit(code)  # never go on as a Python that is cold, and without the fault
"""


def asked(path: str) -> str:
    """Wait for clients, and return in each process that is forked the module that it runs."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(16)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        client, _ = listener.accept()
        message, files, _, _ = socket.recv_fds(client, 1 << 20, 3)
        if message and not os.fork():
            listener.close()
            return _begun(client, files, *json.loads(message))
        client.close()
        for file in files:
            os.close(file)


def _begun(
    client: socket.socket, files: list[int], argv: list[str], cwd: str, env: dict, group: int
) -> str:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if begun := os.fork():
        _, status = os.waitpid(begun, 0)
        client.send(status.to_bytes(4, "little"))
        os._exit(0)
    client.close()
    os.setpgid(0, group)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    module, *arguments = argv
    sys.argv, sys.orig_argv, sys.path[0] = ["-m", *arguments], ["python", "-m", *argv], cwd
    fault = Path(".trace/fault.py")
    if module != "dvc" and fault.is_file():
        exec(fault.read_text(), {})
    return module


def run(module: str) -> None:
    """Run a module and end as Python does, but without the second that taking torch apart costs."""
    code: Any = 0
    try:
        runpy._run_module_as_main(module)
    except SystemExit as end:
        code = end.code
    except BaseException as error:  # noqa: BLE001 - for the hook, as Python does
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    for name in HEAVY:
        importlib.import_module(name)
    gc.freeze()
    run(asked(sys.argv[1]))
