"""A Python that holds torch in memory and is forked: a stage starts in a tenth of the time.

`python warm.py <socket>` waits there. With CLIENT in PYTHONPATH, `python -m stages.<stage>` and
`python -m dvc` are handed over, with their files, environment and process group: signals reach
them, and the client ends as they do. `.trace/stages.py` and `.trace/dvc.py` run before them, where
there are such files: faults to be tested. A stage leaves the list of the project's files that it
loaded in `.trace/<stage>.json`.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

HEAVY = (
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "av",
    "configobj",
    "dulwich.ignore",
    "dulwich.repo",
    "dulwich.worktree",
    "dvc.api",
    "dvc.cachemgr",
    "dvc.cli",
    "dvc.cli.parser",
    "dvc.commands.repro",
    "dvc.compare",
    "dvc.data_cloud",
    "dvc.fs.dvc",
    "dvc.repo.artifacts",
    "dvc.repo.datasets",
    "dvc.repo.graph",
    "dvc.repo.index",
    "dvc.repo.open_repo",
    "dvc.repo.plots",
    "dvc.repo.reproduce",
    "dvc.repo.stage",
    "dvc.stage.cache",
    "dvc_data.fs",
    "dvc_render",
    "fsspec.implementations.memory",
    "h5py",
    "jaxtyping",
    "jinja2",
    "networkx",
    "plotly.io",
    "plotly.offline",
    "pyarrow.compute",
    "pyarrow.parquet",
    "pygit2",
    "ruamel.yaml",
    "safetensors.torch",
    "scipy.signal",
    "scipy.stats",
    "scmrepo.fs",
    "scmrepo.git.backend.pygit2.filter",
    "sklearn.linear_model",
    "sklearn.manifold",
    "soundfile",
    "soxr",
    "timm",
    "torch",
    "torchvision.transforms",
    "transformers.models.audio_spectrogram_transformer.modeling_audio_spectrogram_transformer",
)
CLIENT = Path(__file__).with_name("warm_client")  # for PYTHONPATH: its sitecustomize.py


@cache
def started() -> str:
    """Start a warm Python that ends with this process; return its socket, for AVSC_WARM."""
    folder = tempfile.TemporaryDirectory()
    env = os.environ | {"PYTHONPYCACHEPREFIX": f"{folder.name}/cache"}
    server = subprocess.Popen(
        [sys.executable, __file__, f"{folder.name}/socket"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
    )

    def end() -> None:
        server.kill()
        server.communicate()
        folder.cleanup()

    atexit.register(end)
    assert server.stdout.readline() == b"ready\n"
    return f"{folder.name}/socket"


def asked(path: str) -> str:
    """Wait for clients, and return in each process that is forked the module that it runs."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(16)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while select.select([listener, sys.stdin], [], [])[0] == [listener]:  # stdin: the owner ended
        client, _ = listener.accept()
        message, files, _, _ = socket.recv_fds(client, 1 << 20, 3)
        if message and not os.fork():
            listener.close()
            return _begun(client, files, *json.loads(message))
        client.close()
        for file in files:
            os.close(file)
    os._exit(0)


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
    if module.startswith("stages."):
        _trace(module.removeprefix("stages."), *arguments)
    fault = Path(f".trace/{module.split('.')[0]}.py")
    if fault.is_file():
        exec(fault.read_text(), {})
    return module


def _trace(*stage: str) -> None:
    """Write, when this process ends, which files of the project it has loaded."""

    def dump() -> None:
        root = f"{Path.cwd()}/"
        files = {getattr(m, "__file__", None) or "" for m in list(sys.modules.values())}
        ours = sorted(f.removeprefix(root) for f in files if f.startswith(root))
        Path(".trace", "@".join(stage) + ".json").write_text(json.dumps(ours))

    atexit.register(dump)


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
