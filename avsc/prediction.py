"""Scenes of files that no data set lists, with the code of the pipeline: decode, embed, predict."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64

import avsc.media
from avsc import embedding
from avsc.artifacts import media
from avsc.media import DecodeError
from avsc.recording import Recording
from avsc.trained import Predictor
from avsc.training import system
from avsc.training.disturbances import without

LACKING = {"audio": "sound", "video": "pictures"}
BLOCK = 128  # items of an evaluation set that are in memory at once


@dataclass(frozen=True)
class Timeline:
    """The scene probabilities of one file.

    Attributes:
        scenes: name of each column.
        spans: start and end of each row, in s of the file; seconds, or windows where it is clips
            that are classified. The last window may begin before its predecessor ends.
        probs: of each row.
        pictures: a JPEG for each second; none where the file has no pictures.
        notes: what somebody who reads the numbers has to know about the file.
    """

    scenes: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    probs: Float64[np.ndarray, "row scene"]
    pictures: tuple[bytes, ...]
    notes: tuple[str, ...]

    @property
    def whole(self) -> Float64[np.ndarray, " scene"]:
        """Return the probabilities of the file: the means over its seconds.

        A second that two windows hold counts with the earlier one alone.
        """
        start = self.spans[0][0]
        added = np.diff([start, *(end for _, end in self.spans)])  # seconds by each row
        return np.average(self.probs, axis=0, weights=added / added[0])


def predict(p: Predictor, recording: Recording) -> Timeline:
    """Return the scene probabilities of a recording, each second or each window by itself.

    In place of a modality that is missing the head gets zeros after standardisation, as in
    `robustness` and in training with modality dropout.

    Raises:
        ValueError: if the recording has nothing that the experiment uses, or the experiment takes
            clips of another length.
    """
    lacks, notes = _lacks(p, recording)
    spans = _spans(p, recording.seconds)
    if p.sees_clips and p.window_s and recording.seconds < p.window_s:
        notes.append(
            f"{recording.seconds} s long; {p.experiment} learned from clips of {p.window_s} s"
        )
    x = {m: _rows(p, m, recording, spans) for m in p.encoders if m != lacks}
    tensors = {m: torch.from_numpy(rows) for m, rows in x.items()}
    if lacks:
        tensors = without(lacks, tensors, p.fitted.system)
    try:
        probs = system.predict(p.fitted.system, tensors)
    except (RuntimeError, ValueError) as error:
        if not p.sees_clips:
            raise
        raise ValueError(
            f"{p.experiment} learned from clips of {p.window_s} s and does not take one of "
            f"{spans[0][1]} s ({error}); choose an experiment that classifies seconds"
        ) from error
    shown = tuple((recording.start + start, recording.start + end) for start, end in spans)
    return Timeline(p.scenes, shown, probs, recording.pictures, (*recording.notes, *notes))


def lacking(recording: Recording) -> str | None:
    """Return the modality that a recording lacks, None if it has both.

    Raises:
        ValueError: if it lacks both.
    """
    if not recording.seconds:
        raise ValueError("the recording has neither sound nor pictures; expected one of them")
    if recording.waveform is None:
        return "audio"
    return None if recording.pictures else "video"


def _lacks(p: Predictor, recording: Recording) -> tuple[str | None, list[str]]:
    """Return the modality that the experiment wants and the recording lacks, and what to say."""
    absent = lacking(recording)
    if absent is None:
        return None, []
    what = LACKING[absent]
    if absent not in p.encoders:
        return None, [f"no {what}; {p.experiment} uses none"]
    if len(p.encoders) == 1:
        raise ValueError(
            f"no {what}, and {p.experiment} uses nothing else; name another experiment"
        )
    if absent in p.fitted.config["dropped"]:
        return absent, [f"no {what}; {p.experiment} was also trained without {what}"]
    return absent, [f"no {what}; {p.experiment} was never trained without {what}: may be far off"]


def _spans(p: Predictor, seconds: int) -> list[tuple[int, int]]:
    """Return the seconds, or windows one after the other, of which the last ends with the file."""
    if not p.sees_clips:
        return [(k, k + 1) for k in range(seconds)]
    width = min(p.window_s or seconds, seconds)
    starts = [*range(0, seconds - width, width), seconds - width]
    return [(start, start + width) for start in starts]


def _rows(
    p: Predictor, modality: str, recording: Recording, spans: Sequence[tuple[int, int]]
) -> Float32[np.ndarray, "row ..."]:
    encoder = p.encoders[modality]
    if encoder.scope == "segment":
        rows = _encoded(encoder, [_input(encoder, recording)])[0]
        if not p.sees_clips:
            return rows
        return np.stack([rows[start:end].mean(axis=0) for start, end in spans])
    return np.concatenate(
        _encoded(encoder, [_input(encoder, recording.between(start, end)) for start, end in spans])
    )


def _input(encoder: Any, recording: Recording) -> np.ndarray:
    waveform = np.empty((0, 2, 0), np.float32) if recording.waveform is None else recording.waveform
    return embedding.rows(encoder, media.arrays(waveform, recording.pictures))


def _encoded(encoder: Any, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the embeddings of each input; inputs of one size go through the encoder together."""
    found: dict[int, np.ndarray] = {}
    shapes = [x.shape[1:] for x in inputs]
    for shape in dict.fromkeys(shapes):
        own = [i for i, s in enumerate(shapes) if s == shape]
        rows = encoder(np.concatenate([inputs[i] for i in own]))["embedding"]
        what = f"the {LACKING[encoder.modality]}"
        embedding.check_finite({"embedding": rows}, what, "are the encoder's weights damaged?")
        ends = np.cumsum([len(inputs[i]) for i in own])[:-1]
        found.update(zip(own, np.split(rows, ends), strict=True))
    return [found[i] for i in range(len(inputs))]


def isolated(
    p: Predictor, items: Sequence[tuple[Path, Path]], *, threads: int
) -> Iterator[Float64[np.ndarray, " scene"] | DecodeError]:
    """Yield the scene probabilities of one-second items, or why one cannot be decoded.

    Args:
        p: classifies seconds.
        items: sound and pictures of each.
        threads: how many are decoded at once.

    Raises:
        ValueError: if the experiment classifies whole clips.
    """
    if p.sees_clips:
        raise ValueError(
            f"{p.experiment} classifies whole clips, expected one of seconds; name one"
        )

    def decoded(item: tuple[Path, Path]) -> avsc.media.Clip | DecodeError:
        try:
            return avsc.media.decode(*item, seconds=1, **p.decode)
        except DecodeError as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(items), BLOCK):
            block = list(pool.map(decoded, items[first : first + BLOCK]))
            probs = iter(_block(p, [c for c in block if isinstance(c, avsc.media.Clip)]))
            yield from (c if isinstance(c, DecodeError) else next(probs) for c in block)


def _block(p: Predictor, clips: Sequence[avsc.media.Clip]) -> Float64[np.ndarray, "item scene"]:
    if not clips:
        return np.empty((0, len(p.scenes)))
    recordings = [Recording(c.waveform, c.pictures, ()) for c in clips]
    x = {
        m: torch.from_numpy(np.concatenate(_encoded(e, [_input(e, r) for r in recordings])))
        for m, e in p.encoders.items()
    }
    return system.predict(p.fitted.system, x)
