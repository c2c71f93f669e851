"""Warn as a stage does, of a name with an escape sequence."""

import logging
import sys

if __name__ == "__main__":
    sys.argv[0] = "-m"  # as it is while Python looks for a stage
    import stages  # noqa: F401

    logging.getLogger("avsc").warning("made again: %s", "a\x1b[2J")
