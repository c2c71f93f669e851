"""Hands `python -m stages.<stage>` and `python -m dvc` over to a warm Python: see ../warm.py."""

import os
import sys

if sys.argv[0] == "-m" and sys.orig_argv[2].startswith(("stages.", "dvc")):
    code = 97
    try:
        import json
        import signal
        import socket

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the forked process of the group handles it
        server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        server.connect(os.environ["AVSC_WARM"])
        cwd = os.getcwd()  # noqa: PTH109 - pathlib takes longer to import than all of this
        asked = [sys.orig_argv[2:], cwd, dict(os.environ), os.getpgid(0)]
        socket.send_fds(server, [json.dumps(asked).encode()], [0, 1, 2])
        code = os.waitstatus_to_exitcode(int.from_bytes(server.recv(4), "little"))
        if code < 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
    finally:
        os._exit(code)  # never go on as a cold Python without the fault
