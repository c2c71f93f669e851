"""Measure, work out and write docs/scale.md."""

import argparse
from pathlib import Path

import jinja2

import bench.scale
from avsc.artifacts import manifest
from bench._table import machine, markdown
from bench._turns import Row
from bench.scale import cost, simulation


def page(sizes: list[int], *, profile: str, size: tuple[int, int]) -> str:
    """Return the page as Markdown.

    Args:
        sizes: numbers of clips to simulate, at least two.
        profile: whose steps are measured.
        size: width and height of the pictures in the measured clip, in pixels.
    """
    given, found = cost.assumptions(), cost.steps(profile, size=size)
    scaled, simulated = cost.scaled(found, given), simulation.rows(sizes)
    template = Path(__file__).with_name("page.md").read_text("utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(template).render(
        machine=machine(),
        clip=markdown(cost.measured(found)),
        cost=markdown(scaled),
        assumed=_assumed(given),
        bottleneck=f"the {scaled[0]['waits for']}",
        balance=cost.balance(found, given),
        cores_per_gpu=given["cores_per_gpu"],
        simulation=markdown(simulated),
        slopes=markdown(_slopes(simulated, sizes[0], sizes[-1])),
        file_system=simulation.file_system(),
        small=f"{sizes[0]:,}",
        large=f"{sizes[-1]:,}",
        floor_mb=min(row["peak MB"] for row in simulated),
        manifest_gb=manifest.MAX_BYTES // 2**30,
        most_clips=f"{manifest.MAX_BYTES / simulation.row_bytes() / 1e6:.0f}",
    )


def _assumed(given: dict[str, object]) -> str:
    gpu = dict(given["gpu"])  # type: ignore[call-overload]
    return (
        f"{gpu['name']}, {gpu['peak_tflops']} TFLOP/s in bfloat16 of which {gpu['used']:.0%} is "
        f"reached, with {given['cores_per_gpu']} cores, {gpu['dollars_an_hour']} dollars an hour; "
        f"{given['network_mb_s_per_gpu']} MB/s in and {given['disk_mb_s_per_gpu']} MB/s out a GPU; "
        f"storage {given['storage_dollars_a_tb_month']} dollars a TB and month; "
        f"{given['clip_mb']} MB of media a clip"
    )


def _slopes(simulated: list[Row], small: int, large: int) -> list[Row]:
    """Return what each step costs per thousand clips at both ends."""
    s = {(row["step"], row["clips"]): row["s"] for row in simulated}
    return [
        {
            "step": step,
            f"ms at {small:,}": s[step, small] / small * 1e6,
            f"ms at {large:,}": s[step, large] / large * 1e6,
        }
        for step in simulation.STEPS
    ]


def main() -> None:
    """Write the page, as the command line asks."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=bench.scale.__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--profile", default="tau2021", help="a file of params/")
    parser.add_argument("--output", type=Path, default=Path("docs/scale.md"))
    asked = parser.parse_args()
    asked.output.write_text(page(asked.clips, profile=asked.profile, size=cost.SIZE), "utf-8")


if __name__ == "__main__":
    main()
