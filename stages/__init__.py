"""One script for each stage of dvc.yaml, under the same name.

What a stage refuses is told in one message; AVSC_DEBUG=1 shows the traceback as well. Control
characters in messages and warnings are escaped.
"""

import gc
import logging
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType

from avsc import escaping

REFUSALS = (
    ValueError,
    TypeError,
    KeyError,
    FileNotFoundError,
    FileExistsError,
    ModuleNotFoundError,
)


def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None, /) -> None:
    """Print what our functions document to raise as a message, all else with its traceback."""
    ours = kind.__module__.startswith("avsc.")
    if os.environ.get("AVSC_DEBUG") or not (ours or issubclass(kind, REFUSALS)):
        _say("".join(traceback.format_exception(kind, error, trace)))
        return
    message = error.args[0] if isinstance(error, KeyError) else error  # whose str is a repr
    at = traceback.extract_tb(trace)[-1]
    where = f"{Path(at.filename).name}:{at.lineno}, in {at.name}"
    lines = [f"error: {message}", *getattr(error, "__notes__", [])]
    _say("\n".join([*lines, f"({where}; AVSC_DEBUG=1 shows the traceback)"]))


def _say(text: str) -> None:
    print(escaping.terminal(text), file=sys.stderr)


gc.set_threshold(100_000)  # by default it takes a fifth of the time that imports take

if sys.argv[0] == "-m":  # as it is while `python -m stages.<stage>` looks for the stage
    sys.excepthook = tell
    assert logging.lastResort
    logging.lastResort.addFilter(escaping.log_record)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # see docs/decisions.md; before torch is loaded
