"""Where to compute: a choice of the machine, so no parameter and no part of any key."""

import os

import torch


def device() -> str:
    """Return the environment's AVSC_DEVICE, else cuda if there is a GPU, else cpu.

    On a GPU, too, float32 is float32 from then on: cuDNN's layers keep from TF32, as products do.

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
    if asked != "cpu":
        for layers in (torch.backends.cudnn.conv, torch.backends.cudnn.rnn):
            layers.fp32_precision = "ieee"  # type: ignore[attr-defined]
    return asked
