"""One decode: six features of each clip from media shards, beside a pass of decoding for each.

What AST, ConvNeXt, EfficientNetV2 and ResNet50 take, log-mel and scalogram; the networks, which
would cost both sides the same, are left out. Ours decodes each clip once, writes it to a media
shard and reads it from there six times, JPEGs and all. Instead of that: each feature reads the wav,
or finds its pictures in the mp4 from keyframes as ours does, and keeps nothing. A clip a core.
`difference` is that of the features of sound, for pictures ours went through JPEG.
"""

import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import avsc.encoders
import avsc.media
from avsc.artifacts import media
from avsc.artifacts.making import Job, Worker
from avsc.embedding import ARRAYS, rows
from avsc.encoders import ast, timm_image
from avsc.threads import cores, in_threads
from bench import decode, front_ends
from bench._table import main
from bench._turns import Row, compared, difference, in_turns, threads

REACH = 2.2
SIZES = {"ConvNeXt": 224, "EfficientNetV2": 288, "ResNet50": 224}
Features = dict[str, np.ndarray]


def results(*, quick: bool = False) -> list[Row]:
    """Return a row for each distance of keyframes."""
    size, seconds, repeats = ((160, 96), 2, 1) if quick else ((1280, 720), 10, 3)
    encoders = made()
    with tempfile.TemporaryDirectory() as folder, threads(1):
        return [
            _row(Path(folder, str(gop)), gop, size, seconds, encoders, repeats)
            for gop in decode.REACH
        ]


def made() -> dict[str, Any]:
    """Return encoders that prepare as those of full size do."""
    small = {k: v for k, v in timm_image.TINY.items() if k != "input_size"}
    eyes = {
        name: avsc.encoders.create("timm_image", **small, input_size=px)
        for name, px in SIZES.items()
    }
    ears = {name: avsc.encoders.create(name) for name in ("logmel", "scalogram")}
    return {"AST": avsc.encoders.create("ast", **ast.TINY)} | ears | eyes


def _row(
    root: Path,
    gop: int,
    size: tuple[int, int],
    seconds: int,
    encoders: dict[str, Any],
    repeats: int,
) -> Row:
    root.mkdir()
    clips = [root / f"clip{i}" for i in range(cores())]
    for clip in clips:
        decode.encode(clip.with_suffix(".mp4"), gop=gop, size=size, frames=seconds * decode.FPS)
        front_ends.write(clip.with_suffix(".wav"), seconds)
    sides = {
        "once": partial(once, clips, seconds, encoders),
        "passes": partial(passes, clips, seconds, encoders),
    }
    given, took = in_turns(sides, repeats=repeats)
    heard = [name for name, e in encoders.items() if e.modality == "audio"]
    return compared(
        f"{len(encoders)} features of {len(clips)} clips, a keyframe every {gop}",
        "a pass of decoding for each",
        took["once"],
        took["passes"],
        reach=REACH,
        difference=max(difference(given["once"][name], given["passes"][name]) for name in heard),
    )


def decoded(clips: Sequence[Path], seconds: int, work: Path) -> media.Library:
    """Decode each clip once, into a media shard below `work`."""
    by_id = {clip.name: clip for clip in clips}

    def decode(clip_id: str) -> dict[str, np.ndarray]:
        files = (by_id[clip_id].with_suffix(suffix) for suffix in (".wav", ".mp4"))
        clip = avsc.media.decode(*files, seconds=seconds, short_side_px=288, jpeg_quality=95)
        return media.arrays(clip.waveform, clip.pictures)

    worker = Worker(work, partial(in_threads, decode, threads=cores()), {})
    list(worker([Job("made.h5", dict.fromkeys(by_id, ""), {})]))
    return media.Library(work / "shards")


def once(clips: Sequence[Path], seconds: int, encoders: dict[str, Any]) -> Features:
    """Return the features by way of a media shard."""
    with tempfile.TemporaryDirectory() as folder:
        library = decoded(clips, seconds, Path(folder))

        def read(encoder: Any, clip_id: str) -> np.ndarray:
            return rows(encoder, library.read(clip_id, ARRAYS[encoder.modality]))

        return _each(encoders, read, [clip.name for clip in clips])


def passes(clips: Sequence[Path], seconds: int, encoders: dict[str, Any]) -> Features:
    """Return the features, each from the files."""
    times = [Fraction(2 * k + 1, 2) for k in range(seconds)]

    def read(encoder: Any, clip: str) -> np.ndarray:
        if encoder.modality == "audio":
            return front_ends.read(Path(f"{clip}.wav"), seconds)
        return np.stack(decode.ours(Path(f"{clip}.mp4"), times))[:, None]

    return _each(encoders, read, list(map(str, clips)))


def _each(
    encoders: dict[str, Any], read: Callable[[Any, str], np.ndarray], clips: Sequence[str]
) -> Features:
    """Return what each encoder prepares, or says, of all clips, one encoder after the other."""

    def one(clip: str, encoder: Any) -> np.ndarray:
        x = read(encoder, clip)
        has_network = hasattr(encoder, "model")
        return encoder.prepare(x).numpy() if has_network else encoder(x)["embedding"]

    return {
        name: np.stack(list(in_threads(partial(one, encoder=e), threads=cores())(iter(clips))))
        for name, e in encoders.items()
    }


if __name__ == "__main__":
    main("one_decode")
