"""Where to compute: a choice of the machine, so no parameter and no part of any key."""

import os

import torch


def device() -> str:
    """Return the environment's AVSC_DEVICE, else cuda if there is a GPU, else cpu."""
    return os.environ.get("AVSC_DEVICE", "cuda" if torch.cuda.is_available() else "cpu")
