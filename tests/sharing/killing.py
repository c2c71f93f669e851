"""DVC killed in the middle of a transfer."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.pipeline.project import Project
from tests.sharing.remotes import Remote

KILLER = """
import os, signal, sys

left = [{count}]

def hook(event, arguments):
    if event == "open" and "files/md5" in str(arguments[0]) and "w" in str(arguments[1]):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
"""
TELLER = """
import os, pathlib

pathlib.Path(".trace/pid").write_text(str(os.getpid()))
"""


@contextmanager
def killed_midway(project: Project, remote: Remote, *, count: int, files: int) -> Iterator[None]:
    """Kill DVC after `count` bytes on its wire or, without one, at the `files`th it writes."""
    hook, note = project.root / ".trace/dvc.py", project.root / ".trace/pid"
    hook.write_text(TELLER if remote.wire else KILLER.format(count=files))
    if remote.wire:
        remote.wire.cut_after(count, lambda: os.kill(int(note.read_text()), signal.SIGKILL))
    yield
    hook.unlink()
    if remote.wire:
        remote.wire.mend()
