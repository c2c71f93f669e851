"""Where to compute: a choice of the machine, so no parameter and no part of any key."""

import os

import torch

torch.backends.cudnn.allow_tf32 = False  # float32 is float32, as in torch's matrix products


def device() -> str:
    """Return the environment's AVSC_DEVICE, else cuda if there is a GPU, else cpu.

    Raises:
        ValueError: if AVSC_DEVICE is a device that this machine does not have.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = ["cuda", *(f"cuda:{i}" for i in range(gpus)), "cpu"] if gpus else ["cpu"]
    asked = os.environ.get("AVSC_DEVICE", there[0])
    if asked not in there:
        raise ValueError(
            f"AVSC_DEVICE is {asked!r}, expected one of what this machine has: {', '.join(there)}; "
            "set it to one of them, or unset it"
        )
    return asked
