"""Decode: ten pictures of a ten-second clip, beside decoding it in full and beside moviepy.

The clips are made here: 1280 x 720 at 30 frames a second, H.264 at about 5 Mbit/s, a keyframe every
12 or 250 pictures. Decoding in full takes one thread, as ours. Reading as moviepy does has FFmpeg,
with its own threads, write every picture in RGB into a pipe on the way to the wanted ones; starting
its process is left out. On all cores ours decodes a clip a core, moviepy clip after clip.
"""

import os
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np

from avsc.media.container import demuxed
from avsc.media.pictures import LANCZOS
from avsc.media.seeking import on_display
from avsc.threads import cores
from bench._table import main
from bench._turns import Row, compared, difference, in_turns

FPS = 30
REACH = {12: (2.5, 5.0), 250: (1.3, 2.5)}  # of full decoding; of moviepy, on all cores
Pixels = list[np.ndarray]


def results(*, quick: bool = False) -> list[Row]:
    """Return two rows for each distance of keyframes: on one thread, and on all cores."""
    size, seconds, repeats = ((160, 96), 3, 1) if quick else ((1280, 720), 10, 3)
    times = [Fraction(2 * k + 1, 2) for k in range(seconds)]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for gop in REACH:
            path = Path(folder, f"{gop}.mp4")
            encode(path, gop=gop, size=size, frames=seconds * FPS)
            rows += _rows(path, gop, times, repeats)
    return rows


def _rows(path: Path, gop: int, times: Sequence[Fraction], repeats: int) -> list[Row]:
    clips = [path] * cores()
    sides = {
        "ours": partial(ours, path, times),
        "full": partial(in_full, path, times),
        "all cores": partial(together, clips, times),
        "moviepy": lambda: [as_moviepy(p, times) for p in clips],
    }
    given, took = in_turns(sides, repeats=repeats)
    of_full, of_moviepy = REACH[gop]
    return [
        compared(
            f"{len(times)} pictures, a keyframe every {gop}, one thread",
            "decoding in full",
            took["ours"],
            took["full"],
            reach=of_full,
            difference=difference(given["ours"], given["full"]),
        ),
        compared(
            f"{len(clips)} such clips on {len(clips)} cores",
            "reading as moviepy does",
            took["all cores"],
            took["moviepy"],
            reach=of_moviepy,
            difference=difference(*(_brightness(given[side]) for side in ("all cores", "moviepy"))),
            remark="difference in brightness: FFmpeg spreads colours more coarsely",
        ),
    ]


def ours(path: Path, times: Sequence[Fraction]) -> Pixels:
    """Return the frames on display at `times`, in RGB."""
    with demuxed(path, "video") as (track,):
        return [_rgb(frame) for frame in on_display(track, list(times))]


def together(paths: Sequence[Path], times: Sequence[Fraction]) -> list[Pixels]:
    """Return the same of several clips, one in each thread."""
    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(partial(ours, times=times), paths))


def in_full(path: Path, times: Sequence[Fraction]) -> Pixels:
    """Return the same by looking at every frame."""
    found: Pixels = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        last = None
        for frame in container.decode(stream):
            while len(found) < len(times) and times[len(found)] < frame.pts * frame.time_base:
                found.append(_rgb(frame if last is None else last))
            last = frame
        return found + [_rgb(last) for _ in times[len(found) :]]


def as_moviepy(path: Path, times: Sequence[Fraction]) -> Pixels:
    """Return `get_frame` of each time: frames are read and thrown away until it is reached."""
    end, start = os.pipe()
    ffmpeg = threading.Thread(target=_write_all, args=(path, start))
    ffmpeg.start()
    with open(end, "rb") as pipe:  # noqa: PTH123 a descriptor
        width, height = np.frombuffer(pipe.read(16), np.int64)
        wanted, found = {int(FPS * time) for time in times}, []
        for place in range(max(wanted) + 1):
            read = pipe.read(3 * width * height)
            if place in wanted:
                found.append(np.frombuffer(read, np.uint8).reshape(height, width, 3))
    ffmpeg.join()
    return found


def _write_all(path: Path, pipe: int) -> None:
    """Do what moviepy has ffmpeg do: write every picture in RGB into a pipe, with all threads."""
    with suppress(BrokenPipeError), open(pipe, "wb") as to, av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        to.write(np.array([stream.width, stream.height], np.int64))
        for frame in container.decode(stream):
            to.write(frame.to_ndarray(format="rgb24"))


def _brightness(clips: Sequence[Pixels]) -> np.ndarray:
    return np.asarray(clips) @ np.array([0.299, 0.587, 0.114])


def _rgb(frame: av.VideoFrame) -> np.ndarray:
    return frame.reformat(format="rgb24", interpolation=LANCZOS, threads=1).to_ndarray()


def encode(path: Path, *, gop: int, size: tuple[int, int], frames: int) -> None:
    """Write a camera that sways over a textured wall, with a sensor's noise."""
    rng, (width, height) = np.random.default_rng(0), size
    sway = max(height // 8, 8)
    wall = _texture(rng, height + 2 * sway, width + 2 * sway)
    grain = [rng.integers(-4, 5, (height, width, 3), np.int16) for _ in range(4)]
    options = {"preset": "veryfast", "sc_threshold": "0"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size, stream.bit_rate = gop, round(5e6 * width * height / (1280 * 720))
        for k in range(frames):
            x, y = (round(sway * (1 + np.sin(k / pace))) for pace in (40, 23))
            pixels = wall[y : y + height, x : x + width] + grain[k % len(grain)]
            frame = av.VideoFrame.from_ndarray(pixels.astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return RGB patches of several sizes, 20 to 236."""
    layers = [
        np.kron(rng.random((-(-height // s), -(-width // s), 3)), np.ones((s, s, 1)))
        for s in (2, 8, 32, 128)
    ]
    mean = sum(layer[:height, :width] for layer in layers) / len(layers)
    return (20 + 216 * mean).astype(np.int16)


if __name__ == "__main__":
    main("decode")
