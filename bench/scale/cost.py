"""Time, disk and money of a data set, from what one clip costs here and what a machine costs."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from avsc import embedding
from avsc.artifacts import media
from avsc.media import Clip
from bench._turns import Row, threads
from bench.profile_cost import SIZE, decoded, encoded, offline, profile

ASSUMPTIONS = Path(__file__).with_name("assumptions.yaml")


@dataclass(frozen=True)
class Step:
    """What one step costs for a clip.

    Attributes:
        name: of the step.
        core_s: time of a core where a GPU runs the networks.
        flop: of the networks.
        bytes: left in the cache.
    """

    name: str
    core_s: float
    flop: float
    bytes: float


def assumptions() -> dict[str, Any]:
    """Return the assumptions."""
    read: dict[str, Any] = yaml.safe_load(ASSUMPTIONS.read_text("utf-8"))
    return read


def steps(name: str, *, size: tuple[int, int] = SIZE) -> list[Step]:
    """Measure every step of a profile on one clip and one core.

    Args:
        name: of the profile.
        size: width and height of the pictures in the clip, in pixels.
    """
    tree = profile(name)
    with tempfile.TemporaryDirectory() as folder, threads(1):
        cost, clip = decoded(Path(folder), tree["decode"], size=size)
        return [
            Step("decode", cost["core_s"], 0.0, cost["bytes"]),
            *(_step(n, block, clip) for n, block in tree["embed"].items()),
        ]


def _step(name: str, block: Mapping[str, Any], clip: Clip) -> Step:
    encoder = offline(block, decoded_hz=clip.waveform.shape[2])
    cost = encoded(encoder, block, clip)
    on_cores = cost["passes_s"] if block["weights"] == "none" else _preparing_s(encoder, clip)
    return Step(name, on_cores, cost["passes_flop"], cost["bytes"])


def _preparing_s(encoder: Any, clip: Clip) -> float:
    """Return how long a core makes a clip ready for a network."""
    arrays = media.arrays(clip.waveform, clip.pictures)
    start = time.process_time()
    encoder.prepare(embedding.rows(encoder, arrays))
    return time.process_time() - start


def measured(found: list[Step]) -> list[Row]:
    """Return a row a step, and their sum."""
    total = Step("all", *(sum(getattr(s, k) for s in found) for k in ("core_s", "flop", "bytes")))
    return [
        {
            "step": s.name,
            "core a clip_s": s.core_s,
            "GFLOP a clip": s.flop / 1e9,
            "MB a clip": s.bytes / 1e6,
        }
        for s in [*found, total]
    ]


def scaled(found: list[Step], given: Mapping[str, Any]) -> list[Row]:
    """Return a row for each data set and number of GPUs.

    Cores, GPUs, network and disk work at the same time, so the slowest of them is the time.

    Args:
        found: what a clip costs.
        given: the assumptions.
    """
    core_s, flop, left = (sum(getattr(s, k) for s in found) for k in ("core_s", "flop", "bytes"))
    gpu = given["gpu"]
    seconds = {  # a clip, of one GPU and what comes with it
        "cores": core_s / given["cores_per_gpu"],
        "GPU": flop / (gpu["peak_tflops"] * 1e12 * gpu["used"]),
        "network": given["clip_mb"] / given["network_mb_s_per_gpu"],
        "disk": left / 1e6 / given["disk_mb_s_per_gpu"],
    }
    slowest = max(seconds, key=lambda part: seconds[part])
    return [
        {
            "data set": name,
            "clips": clips,
            "GPUs": gpus,
            "hours": seconds[slowest] * clips / gpus / 3600,
            "waits for": slowest,
            "GPU busy": f"{seconds['GPU'] / seconds[slowest]:.0%}",
            "dollars": seconds[slowest] * clips / 3600 * gpu["dollars_an_hour"],
            "media read TB": clips * given["clip_mb"] / 1e6,
            "cached TB": clips * left / 1e12,
            "storage dollars a month": clips * left / 1e12 * given["storage_dollars_a_tb_month"],
        }
        for name, clips in given["sets"].items()
        for gpus in given["gpus"]
    ]


def balance(found: list[Step], given: Mapping[str, Any]) -> dict[str, float]:
    """Return how many cores keep one GPU busy, and what a million clips cost on cores alone."""
    core_s, flop = (sum(getattr(s, k) for s in found) for k in ("core_s", "flop"))
    gpu_s = flop / (given["gpu"]["peak_tflops"] * 1e12 * given["gpu"]["used"])
    return {
        "cores": core_s / gpu_s,
        "decode_dollars": found[0].core_s * 1e6 / 3600 * given["core_dollars_an_hour"],
    }
