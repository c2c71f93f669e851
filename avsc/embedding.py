"""An encoder of params.yaml, and what it takes of a clip: for embed, disturb and predict."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from functools import cached_property, partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

import avsc.encoders
import avsc.media
from avsc import precision
from avsc.artifacts import media
from avsc.artifacts import weights as weights_file
from avsc.artifacts.making import Encode
from avsc.artifacts.shard import Arrays
from avsc.batching import Clip, in_batches
from avsc.device import device
from avsc.encoders import UnfitError, check_count, rows_at_once
from avsc.precision import How
from avsc.threads import cores, in_threads

log = logging.getLogger(__name__)

ARRAYS = {"audio": ("waveform",), "video": ("jpeg", "jpeg_length")}  # of data/media, by modality
HOW = ("precision", "engine", "compile")
APART = ("views", *HOW)  # of a block: what is not the encoder's, but Embedder's
TRIED = 4  # clips on which an engine and bfloat16 are compared with torch in float32


def create(
    block: Mapping[str, Any], *, root: Path = Path("data"), decoded_hz: int | None = None
) -> Any:
    """Return an encoder with the weights that its block of params.yaml names, in float32.

    Args:
        block: an entry of `embed`.
        root: holds weights/.
        decoded_hz: sample rate of the decoded sound, which encoders of sound follow.

    Raises:
        FileNotFoundError: if the weights are a file that is not there, or pretrained and neither on
            this machine nor to be had.
        TypeError: if the block has a key that the encoder does not take.
        ValueError: if there is no such encoder, or its weights are damaged, of another shape or not
            the ones that `sha256` says, or `sample_rate` is not the rate of the decoded sound.
    """
    own = {k: v for k, v in block.items() if k not in ("encoder", "weights", "sha256", *APART)}
    own |= at_rate(block, decoded_hz)
    encoder, weights, sha256 = block["encoder"], block["weights"], block.get("sha256")
    if not isinstance(weights, str):
        raise ValueError(f"weights of {encoder} is {weights!r}, expected a name in data/weights/")
    if sha256 is not None and weights in ("none", "random"):
        raise ValueError(
            f"{encoder} has weights: {weights}, of which no file could have sha256 {sha256}; drop "
            "sha256, or set weights: to the file"
        )
    if weights == "none":
        return avsc.encoders.create(encoder, **own)
    own["device"] = device()
    if weights in ("pretrained", "random"):
        made: Any = avsc.encoders.create(encoder, weights=weights, **own)
        if weights == "pretrained":
            weights_file.check_types(made.origin.name, made.origin.revision)
        if sha256 is not None:
            weights_file.check_digest(_pretrained_file(made), sha256)
        return made
    path = root / "weights" / weights
    state, classes = weights_file.read(path, sha256=sha256)
    named = {"classes": classes} if classes else {}
    try:
        made = avsc.encoders.create(encoder, weights=state, **(named | own))
    except UnfitError as error:
        raise UnfitError(f"{path}: {error}") from error
    if avsc.encoders.takes(encoder, "std") and not {"mean", "std"} <= own.keys():
        _warn_of_normalisation(path, made)
    return made


def _warn_of_normalisation(path: Path, encoder: Any) -> None:
    """Warn where nobody says by which mean and std inputs were normalised in training."""
    if not weights_file.trained_here(path):
        log.warning(
            "%s does not say how the inputs of its network were normalised in training; mean %s "
            "and std %s are assumed: write mean and std of its training into the block of `embed`",
            path,
            encoder.mean,
            encoder.std,
        )


def at_rate(block: Mapping[str, Any], decoded_hz: int | None) -> dict[str, int]:
    """Return `sample_rate` for an encoder that takes one, where the rate of its sound is known.

    Raises:
        ValueError: if the block names another rate, or there is no such encoder.
    """
    if not decoded_hz or not avsc.encoders.takes(block["encoder"], "sample_rate"):
        return {}
    if (named := block.get("sample_rate", decoded_hz)) != decoded_hz:
        raise ValueError(
            f"sample_rate of {block['encoder']} is {named!r}, but the sound was decoded at "
            f"{decoded_hz} Hz (decode.sample_rate); leave sample_rate out"
        )
    return {"sample_rate": decoded_hz}


def _pretrained_file(encoder: Any) -> Path:
    path, _ = weights_file.files_of(encoder.origin.name, encoder.origin.revision)
    if path is None:
        raise ValueError(
            f"{encoder.origin.name} is in the cache in several files or under a name of its own, "
            "of which sha256 is not known; drop sha256 and name a commit as revision"
        )
    return path


def provenance(
    encoder: Any, block: Mapping[str, Any], *, root: Path = Path("data")
) -> dict[str, Any]:
    """Return what an encoder's parameters are and where they come from.

    Returns:
        `encoder` and `weights` as in the block; `name`, `revision` and `licence` of what was
        fetched by name, the revision as the commit that it was; `file_sha256` of the file that was
        read; `state_sha256` of all parameters and buffers, wherever they came from; `parameters`,
        their number. None is what is not known or does not apply.
    """
    made = {"encoder": block["encoder"], "weights": block["weights"]}
    name = revision = licence = path = None
    if block["weights"] == "pretrained":
        origin = encoder.origin
        path, commit = weights_file.files_of(origin.name, origin.revision)
        name, revision = origin.name, commit if path else origin.revision
        licence = origin.licence or weights_file.licence(origin.name, origin.revision)
    elif block["weights"] not in ("none", "random"):
        path = root / "weights" / block["weights"]
    net = getattr(encoder, "model", None)
    return made | {
        "name": name,
        "revision": revision,
        "licence": licence,
        "file_sha256": None if path is None else weights_file.digest(path),
        "state_sha256": None if net is None else weights_file.state_digest(net.state_dict()),
        "parameters": 0 if net is None else sum(p.numel() for p in net.parameters()),
    }


def identity(
    encoder: Any, block: Mapping[str, Any], *, root: Path = Path("data")
) -> tuple[int, dict[str, Any], str]:
    """Return what decides an encoder's numbers: its VERSION, its block less APART, its weights.

    The sample rate is left out, for it is part of the key of the decoded clips. What a file holds
    is known by its digest; what a name on the hub stands for may change, so there it is the digest
    of the parameters.
    """
    version = import_module(f"avsc.encoders.{block['encoder']}").VERSION
    own = {k: v for k, v in block.items() if k not in (*APART, "sample_rate")}
    if block["weights"] == "pretrained":
        return version, own, weights_file.state_digest(encoder.model.state_dict())
    return version, own, weights_file.digest(root / "weights" / block["weights"])


def rows(encoder: Any, clip: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return what `encoder` takes of a clip: a row a second, or one row of the whole clip.

    Args:
        encoder: says its modality and scope.
        clip: the arrays of `artifacts.media` that ARRAYS names for the modality.
    """
    whole = encoder.scope == "clip"
    if encoder.modality == "audio":
        waveform = clip["waveform"]
        return waveform.swapaxes(0, 1).reshape(1, 2, -1) if whole else waveform
    pictures = np.stack([avsc.media.picture(jpeg) for jpeg in media.pictures(clip)])
    return pictures[None] if whole else pictures[:, None]


class Embedder:
    """An encoder over decoded clips; what is sent to another process is opened anew there.

    Args:
        block: of params.yaml, as in `create`, with `views`, `precision`, `engine` and `compile`.
        varied: the clips that get views.
        name: of the block, in messages; without one it is called by its encoder.
        root: holds media/ and weights/.
        batched: let clips share batches; None does so on a GPU. On a CPU each clip is a batch, so
            that its bits do not depend on its company.

    Attributes:
        how: the network computes.
    """

    def __init__(
        self,
        block: Mapping[str, Any],
        *,
        varied: Collection[str],
        name: str | None = None,
        root: Path = Path("data"),
        batched: bool | None = None,
    ) -> None:
        self.block, self.varied, self.root = block, frozenset(varied), root
        self.called = f"embed.{name}" if name else str(block["encoder"])
        self.batched = batched
        self.how = How(**{k: block[k] for k in HOW if k in block})

    def __getstate__(self) -> dict[str, Any]:
        sent = ("block", "varied", "root", "called", "batched", "how")
        return {k: self.__dict__[k] for k in sent}

    @cached_property
    def encoder(self) -> Any:
        """Return the encoder, at the rate of the decoded sound."""
        return create(self.block, root=self.root, decoded_hz=self.library.sample_rate)

    @cached_property
    def network(self) -> Any:
        """Return the encoder's network, which computes as `how` says; None if it has none."""
        network = getattr(self.encoder, "model", None)
        if network is not None:
            precision.tune(network, self.how)
            if self.how.engine != "torch":  # which makes its program before threads are at work
                with torch.inference_mode():
                    network(self.encoder.prepare(self._rows(next(iter(self.library)))))
        return network

    @cached_property
    def library(self) -> media.Library:
        """Return the decoded clips."""
        return media.Library(self.root / "media")

    def settle(self) -> float | None:
        """Let `how` say what this machine and the network allow, for keys and other processes.

        Returns:
            How far what was tried last deviates on the first clips; None if nothing was.
        """
        if not self.how.apart:
            return None
        if not hasattr(self.encoder, "model"):
            asked = " and ".join(self.how.apart)
            raise ValueError(f"{self.called} has no network, but {asked}; drop that")
        tried = [self.encoder.prepare(self._rows(c)) for c in islice(self.library, TRIED)]
        self.how, found = precision.settled(self.how, self.encoder.model, tried, name=self.called)
        return found

    def __call__(self) -> Encode:
        """Return what encodes a stream of clips."""
        batched = device() != "cpu" if self.batched is None else self.batched
        if self.network is None or not batched:
            return clips_in_threads(self._arrays)
        return self._in_batches

    def _rows(self, clip_id: str) -> np.ndarray:
        return rows(self.encoder, self.library.read(clip_id, ARRAYS[self.encoder.modality]))

    def _arrays(self, clip_id: str) -> Arrays:
        x = self._rows(clip_id)
        arrays = self.encoder(x)
        if clip_id in self.varied:
            arrays["views"] = self.encoder.views(x, **self.block["views"])
        return self._checked(clip_id, arrays)

    def _in_batches(self, clip_ids: Iterator[str]) -> Iterator[Arrays]:
        torch.set_num_threads(1)
        size = partial(rows_at_once, batch_size=self.encoder.batch_size)
        with closing(in_threads(self._prepared, threads=cores())(clip_ids)) as ready:
            for clip_id, found in in_batches(self.network, ready, size=size):
                yield self._checked(clip_id, self._parted(clip_id, found))

    def _prepared(self, clip_id: str) -> Clip:
        """Return what the network takes of a clip's rows, then of each row's view 1, and so on."""
        x = self._rows(clip_id)
        ready = [self.encoder.prepare(x)]
        if clip_id in self.varied:
            draw = dict(self.block["views"])
            check_count(count := draw.pop("count"))
            ready += [self.encoder.prepare_view(x, view=v, **draw) for v in range(1, count)]
        return Clip(clip_id, torch.cat(ready))

    def _parted(self, clip_id: str, found: list[np.ndarray]) -> Arrays:
        """Return the plain rows of what the network gave, and the views."""
        count = self.block["views"]["count"] if clip_id in self.varied else 1
        parted = [part.reshape(count, -1, part.shape[1]) for part in found]
        arrays = {n: p[0] for n, p in zip(("embedding", "logits"), parted, strict=False)}
        return arrays | ({"views": parted[0].swapaxes(0, 1)} if clip_id in self.varied else {})

    def _checked(self, clip_id: str, arrays: Arrays) -> Arrays:
        check_finite(arrays, f"clip {clip_id!r} ({self.called})", "are its weights damaged?")
        return arrays


def clips_in_threads(arrays: Callable[[str], Arrays]) -> Encode:
    """Return what encodes a stream of clips, several at once, each in one thread.

    So the bits of a clip do not depend on the number of cores.
    """
    torch.set_num_threads(1)
    return in_threads(arrays, threads=cores())


def check_finite(arrays: Arrays, what: str, hint: str) -> None:
    """Raise a ValueError if an array holds NaN or infinity."""
    if bad := [n for n, a in arrays.items() if not np.isfinite(a).all()]:
        raise ValueError(f"{' and '.join(bad)} of {what} is NaN or infinite; {hint}")
