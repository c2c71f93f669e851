"""Benchmarks: ours beside what one would write instead, in turns, on this machine.

A file is a benchmark: `python -m bench.<file>` prints its table, `python -m bench` runs all of them
and writes their tables with `--output <path>`. `python -m bench <name> --output <path>` replaces
the section of that benchmark and keeps the others. `--quick` shrinks the work until only the form
of the tables means something. A file whose name starts with an underscore is shared by several.

Each file defines `results(*, quick) -> rows`. Nothing else should run meanwhile.
"""

import os

os.environ.setdefault("TQDM_DISABLE", "1")  # of the training loop, between the lines of a table
