"""Whole extraction: four networks and three features of a clip, beside six scripts of their own.

AST-base, ConvNeXt-Base, EfficientNetV2-S and ResNet50 with random weights, log-mel, long-term mel
and scalogram, from a 720p mp4 with a keyframe every 12 pictures and a 48 kHz wav, all in fp32, a
clip for each core. Ours decodes each clip once into a media shard, which all seven then read.
The scripts go over the clips one after the other, all threads in the network, a second at a time:
one script a network, one for log-mel, one for both long-term spectra. Those of pictures read as
moviepy does (see Decode), those of sound read and resample by librosa. ASTFeatureExtractor fills
each second up to 1024 frames; the second row has the script cut them off again before the network.
In the third OpenVINO computes the networks, in bf16 where it deviates little enough.
`difference` is that of the networks' embeddings of the same prepared seconds. The floor is what the
matrix products of the networks would take alone in fp32.
"""

import tempfile
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import ASTFeatureExtractor

from avsc.artifacts.making import Job, Worker
from avsc.device import device
from avsc.embedding import Embedder
from avsc.encoders import ast, timm_image
from avsc.threads import cores
from bench import decode, front_ends
from bench._floor import flop, flop_per_s
from bench._table import main, without_openvino
from bench._turns import Row, compared, difference, in_turns, threads
from bench.one_decode import decoded

REACH, REACH_OPENVINO = 2.7, 7.5
RATE, FRAMES = 16_000, 98
NETWORKS: dict[str, dict[str, Any]] = {
    "AST-base": {"encoder": "ast", "config": {"num_labels": 527, "max_length": 1024}},
    "ConvNeXt-Base": {"encoder": "timm_image", "name": "convnext_base"},
    "EfficientNetV2-S": {"encoder": "timm_image", "name": "tf_efficientnetv2_s"},
    "ResNet50": {"encoder": "timm_image", "name": "resnet50"},
}
SMALL: dict[str, dict[str, Any]] = {
    "AST-base": {"encoder": "ast", **ast.TINY, "config": ast.TINY["config"] | {"max_length": 1024}},
    "ConvNeXt-Base": {"encoder": "timm_image", **timm_image.TINY},
}
FEATURES = ("logmel", "fbank", "scalogram")


def results(*, quick: bool = False) -> list[Row]:
    """Return three rows: beside scripts as they are, with AST's frames cut, and by OpenVINO."""
    networks, size, seconds, repeats = (
        (SMALL, (160, 96), 2, 1) if quick else (NETWORKS, (1280, 720), 10, 1)
    )
    blocks = {name: {"weights": "random", **block} for name, block in networks.items()}
    blocks |= {name: {"encoder": name, "weights": "none"} for name in FEATURES}
    with tempfile.TemporaryDirectory() as folder:
        clips = [Path(folder, f"clip{i}") for i in range(cores())]
        for clip in clips:
            decode.encode(clip.with_suffix(".mp4"), gop=12, size=size, frames=seconds * decode.FPS)
            front_ends.write(clip.with_suffix(".wav"), seconds)
        embedders = {name: Embedder(block, varied=()) for name, block in blocks.items()}
        fast = {} if without_openvino() else by_openvino(blocks, networks, clips, seconds)
        scripts = Scripts({n: embedders[n].encoder for n in networks}, seconds)
        sides = {
            "ours": partial(ours, clips, seconds, embedders),
            **({"by OpenVINO": partial(ours, clips, seconds, embedders | fast)} if fast else {}),
            "AST": partial(scripts.hear, clips, frames=1024),
            "AST, cut": partial(scripts.hear, clips, frames=FRAMES),
            "the others": partial(scripts.others, clips),
        }
        _, took = in_turns(sides, repeats=repeats)
    work = f"{len(embedders)} embeddings and features of {len(clips)} clips"
    filled, cut = (took["the others"] + took[name] for name in ("AST", "AST, cut"))
    apart, floor_s = scripts.difference(), len(clips) * seconds * scripts.flop() / flop_per_s()
    kept = [name for name, embedder in fast.items() if embedder.how.precision == "float32"]
    return [
        compared(
            work,
            "six scripts",
            took["ours"],
            filled,
            reach=REACH,
            difference=apart,
            floor_s=floor_s,
        ),
        compared(work, "six scripts, AST's frames cut", took["ours"], cut, reach=REACH),
        compared(
            f"{work}, by OpenVINO",
            "six scripts",
            took.get("by OpenVINO"),
            filled if fast else None,
            reach=REACH_OPENVINO,
            remark=without_openvino() or (f"in fp32: {', '.join(kept)}" if kept else ""),
        ),
    ]


def by_openvino(
    blocks: dict[str, dict[str, Any]], networks: Iterable[str], clips: Sequence[Path], seconds: int
) -> dict[str, Embedder]:
    """Return the networks by OpenVINO, each in bf16 unless it deviates on the clips."""
    how = {"engine": "openvino", "precision": "bfloat16"}
    found = {name: Embedder(blocks[name] | how, varied=()) for name in networks}
    with tempfile.TemporaryDirectory() as folder:
        library = decoded(clips, seconds, Path(folder))
        for embedder in found.values():
            embedder.library = library
            embedder.settle()
    return found


def ours(clips: Sequence[Path], seconds: int, embedders: dict[str, Embedder]) -> None:
    """Decode the clips into a media shard, and make a shard of each encoder from it."""
    jobs = [Job("made.h5", {clip.name: "" for clip in clips}, {})]
    with tempfile.TemporaryDirectory() as folder, threads(1):
        library = decoded(clips, seconds, Path(folder))
        for name, embedder in embedders.items():
            embedder.library = library
            list(Worker(Path(folder, name), embedder, {})(jobs))


class Scripts:
    """The same by the packages at hand, a clip and a second at a time.

    Args:
        encoders: whose networks they run, the first one's on sound.
        seconds: of a clip.
    """

    def __init__(self, encoders: dict[str, Any], seconds: int) -> None:
        self.encoders, self.seconds = encoders, seconds
        self.hearing, *self.seeing = encoders
        self.extract, self.spectra = ASTFeatureExtractor(), front_ends.Others()
        self.mel = librosa.filters.mel(sr=RATE, n_fft=8192, n_mels=256)

    def others(self, clips: Sequence[Path]) -> None:
        """Run all scripts but AST's, one after the other."""
        for name in self.seeing:
            self._see(clips, name)
        for feature in (self._logmel, self._long_term):
            for clip in clips:
                sound = self._sound(clip, mono=False)
                np.stack([feature(second) for second in sound])

    def hear(self, clips: Sequence[Path], *, frames: int) -> None:
        """Run AST on the first `frames` frames of each second."""
        with threads(cores()):
            for clip in clips:
                filled = [
                    self.extract(second, sampling_rate=RATE, return_tensors="pt")["input_values"]
                    for second in self._sound(clip, mono=True)
                ]
                self._one_by_one(self.hearing, [x[:, :frames] for x in filled])

    def _see(self, clips: Sequence[Path], name: str) -> None:
        times = [Fraction(2 * k + 1, 2) for k in range(self.seconds)]
        transform = self.encoders[name].transform
        with threads(cores()):
            for clip in clips:
                pictures = decode.as_moviepy(clip.with_suffix(".mp4"), times)
                ready = [transform(Image.fromarray(picture))[None, None] for picture in pictures]
                self._one_by_one(name, ready)

    def _one_by_one(self, name: str, rows: Sequence[Tensor]) -> np.ndarray:
        with torch.inference_mode():
            network = self.encoders[name].model
            return torch.cat([network(row.to(device()))[0].cpu() for row in rows]).numpy()

    def _sound(self, clip: Path, *, mono: bool) -> np.ndarray:
        return self.spectra.read(clip.with_suffix(".wav"), mono=mono)

    def _logmel(self, second: np.ndarray) -> np.ndarray:
        return self.spectra.logmel(second.mean(axis=0))

    def _long_term(self, second: np.ndarray) -> np.ndarray:
        mid_side = np.stack([second[0] + second[1], second[0] - second[1]]) / 2
        magnitude = np.abs(librosa.stft(mid_side, n_fft=8192, hop_length=2736, pad_mode="reflect"))
        bands = [np.log(bank @ magnitude + 1e-5) for bank in (self.mel, self.spectra.bank)]
        return np.concatenate(bands, axis=1)

    def difference(self) -> float:
        """Return how far a second alone is from a clip's seconds at once, on the same input."""
        found = []
        for name, encoder in self.encoders.items():
            x = self._drawn(name)
            rows = encoder.prepare(x)
            found.append(difference(encoder(x)["embedding"], self._one_by_one(name, rows[:, None])))
        return max(found)

    def flop(self) -> float:
        """Return the arithmetic of the networks for a second."""
        two = [partial(encoder, self._drawn(name)) for name, encoder in self.encoders.items()]
        return sum(map(flop, two)) / 2

    def _drawn(self, name: str) -> np.ndarray:
        """Return two seconds of noise, or two pictures of it."""
        rng = np.random.default_rng(0)
        if name == self.hearing:
            return rng.uniform(-0.5, 0.5, (2, 2, RATE)).astype(np.float32)
        return rng.integers(0, 256, (2, 1, 96, 96, 3), np.uint8)


if __name__ == "__main__":
    main("whole_extraction")
