"""What several processes are asked to do, and never end."""

import sys
from threading import Event


def main(said: str) -> None:
    sys.stdout.write(f"{said}\n")
    sys.stdout.flush()
    Event().wait()
