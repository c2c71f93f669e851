import logging
import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tensors: threads cost more than they give
os.environ.setdefault("AVSC_DEVICE", "cpu")  # tests of a GPU name it


@pytest.fixture(autouse=True)
def _our_loggers_speak():
    """Let each test hear our warnings, whatever the libraries of an earlier one switched off."""
    logging.disable(logging.NOTSET)
    logging.getLogger().setLevel(logging.WARNING)
    for name, logger in logging.root.manager.loggerDict.items():
        if name.split(".")[0] == "avsc" and isinstance(logger, logging.Logger):
            logger.disabled, logger.propagate = False, True
            logger.setLevel(logging.NOTSET)
