"""A Ray cluster whose nodes are processes of this machine, on 127.0.0.1."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pipeline.encoding import until

os.environ |= {  # read when Ray is imported, and by the processes that it starts
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # its way to say: no address but 127.0.0.1
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": os.urandom(32).hex(),
}
NODE = {"include_dashboard": False, "object_store_memory": 80 * 2**20}


def processes_of(folder: Path) -> list[str]:
    """Return the commands of all processes that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it has ended
            continue
    return [command for command in found if str(folder) in command]


@contextmanager
def started():
    """Yield a cluster of two nodes: one core, and two cores with two GPUs by name alone."""
    from ray.cluster_utils import Cluster

    folder = Path(tempfile.mkdtemp(prefix="ray"))  # short: the names of its sockets have a limit
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(folder))
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **NODE})
        made.add_node(num_cpus=2, num_gpus=2, **NODE)
        yield made
        made.shutdown()
    until(lambda: not processes_of(folder))
    shutil.rmtree(folder)
