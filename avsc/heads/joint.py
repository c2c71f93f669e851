"""Joint optimisation: a CNN on audio frames, trained with the scene classifier over it."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from avsc import spelling
from avsc.heads import Batch, Count, Dims, Dropout, Phase
from avsc.heads._mlp import flat, pooled
from avsc.heads._res_dcnn import ResDCNN

TINY = {
    "dims": {"audio": (3, 2, 40), "video": (5,)},
    "hparams": {"encoder_widths": [32, 16], "classifier_width": 16, "dropout": 0.1},
}
ALONE = {"mode": "joint"}  # where there is one modality
AXES = {"audio": 3}  # frame, channel, bin
MODES = ("joint", "pipeline")


class SceneClassifier(nn.Module):
    """Embeddings side by side through Linear-BatchNorm-ReLU-Dropout and Linear."""

    def __init__(self, dim: int, width: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(dim, width), nn.BatchNorm1d(width)
        self.classify = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, num_classes))

    def hidden(self, parts: Sequence[Float[Tensor, "row _ _"]]) -> Float[Tensor, "row frame width"]:
        """Return the hidden layer of each frame; a part of one frame holds for all of them.

        That part is multiplied once a row: W [a; v] = W_a a + W_v v.
        """
        columns = self.first.weight.split([p.shape[-1] for p in parts], dim=1)
        products = [nn.functional.linear(p, w) for p, w in zip(parts, columns, strict=True)]
        summed = sum(reversed(products), self.first.bias)  # the part of one frame comes last
        return self.norm(summed.flatten(0, 1)).relu().unflatten(0, summed.shape[:2])

    def forward(
        self, parts: Sequence[Float[Tensor, "row _ _"]]
    ) -> Float[Tensor, "row frame scene"]:
        """Return logits of each frame."""
        return self.classify(self.hidden(parts))


class Head(nn.Module):
    """Acoustic encoder (res-DCNN) and scene classifier over it and a frozen visual embedding.

    Each audio frame is an example in training, beside the embedding of its segment's picture. The
    probabilities of a segment are the mean over its frames. One modality in `dims` gives the
    paper's audio-only or video-only system.

    Args:
        dims: "audio" (frame, channel, bin), scalogram or filter-bank frames; "video" an embedding.
        mode: "joint": everything is trained together; "pipeline": first the encoder under an audio
            classifier of its own, then the scene classifier over the frozen encoder.
        channels: of the encoder's blocks.
        pool: kernel of its average pools, see ResDCNN.
        encoder_widths: of its linear layers.
        classifier_width: of the scene classifier's hidden layer.
        dropout: probability of dropping a unit.

    Raises:
        ValueError: if `mode` is unknown or "pipeline" lacks a modality, or `dims` do not fit.

    References:
        Chen, Wang, Zhang, arXiv 2204.11420. The paper does not say how pictures and audio frames
        are paired; one embedding for all frames of a segment is ours.
    """

    def __init__(
        self,
        dims: Dims,
        num_classes: int,
        *,
        mode: Annotated[str, "joint | pipeline"] = "joint",
        channels: Sequence[int] = (4, 8, 16, 32),
        pool: Count = 3,
        encoder_widths: Sequence[int] = (2048, 1024),
        classifier_width: Count = 1024,
        dropout: Dropout = 0.5,
    ) -> None:
        super().__init__()
        _check(dims, mode)
        self.modalities, self.mode = [m for m in ("audio", "video") if m in dims], mode
        widths = {"audio": encoder_widths[-1]}
        if "video" in dims:
            widths["video"] = flat(dims["video"])
        if "audio" in dims:
            self.encode = ResDCNN(
                dims["audio"][1:],
                channels=channels,
                pool=pool,
                widths=encoder_widths,
                dropout=dropout,
            )
        rest = (classifier_width, num_classes, dropout)
        self.scene = SceneClassifier(sum(widths[m] for m in self.modalities), *rest)
        if mode == "pipeline":
            self.alone = SceneClassifier(widths["audio"], *rest)

    def forward(self, x: Batch) -> Float[Tensor, "row scene"]:
        """Return the log of each segment's mean frame probabilities."""
        return _log_mean(self.scene(self._parts(x)))

    def phases(self) -> list[Phase]:
        """Return everything at once; of a pipeline the encoder, then the scene classifier."""
        if self.mode == "joint":
            return [Phase("joint", [self], self)]
        alone = Phase("audio", [self.encode, self.alone], lambda x: _log_mean(self._alone(x)))
        return [alone, Phase("fusion", [self.scene], self)]

    def loss(
        self,
        x: Batch,
        targets: Shaped[Tensor, "row ..."],
        criterion: Callable[[Tensor, Tensor], Tensor],
    ) -> Float[Tensor, ""]:
        """Return the mean loss over frames; of a pipeline, for those parts that are in training.

        Args:
            x: the batch.
            targets: a class or a distribution over classes for each row.
            criterion: (logits, targets) -> loss.
        """
        losses = [
            criterion(logits.flatten(0, 1), targets.repeat_interleave(logits.shape[1], dim=0))
            for logits in self._in_training(x)
        ]
        return torch.stack(losses).sum()

    def branch_embeddings(self, x: Batch) -> dict[str, Float[Tensor, "row _"]]:
        """Return what the scene classifier sees of each modality, the mean over a row's frames."""
        return {m: p.mean(1) for m, p in zip(self.modalities, self._parts(x), strict=True)}

    def embedding(self, x: Batch) -> Float[Tensor, "row width"]:
        """Return the scene classifier's hidden layer, the mean over a row's frames."""
        return self.scene.hidden(self._parts(x)).mean(1)

    def _in_training(self, x: Batch) -> Iterator[Float[Tensor, "row frame scene"]]:
        audio_first = self.mode == "pipeline" and self.alone.training
        if audio_first:
            yield self._alone(x)
        if self.scene.training or not audio_first:
            yield self.scene(self._parts(x))

    def _alone(self, x: Batch) -> Float[Tensor, "row frame scene"]:
        return self.alone([self._encoded(x)])

    def _encoded(self, x: Batch) -> Float[Tensor, "row frame width"]:
        frames = x["audio"]
        return self.encode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])

    def _parts(self, x: Batch) -> list[Float[Tensor, "row _ _"]]:
        parts = []
        if "audio" in self.modalities:
            frozen = self.mode == "pipeline"
            with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
                parts.append(self._encoded(x))
        if "video" in self.modalities:
            parts.append(pooled(x["video"]).unsqueeze(1))
        return parts


def _log_mean(logits: Float[Tensor, "row frame scene"]) -> Float[Tensor, "row scene"]:
    """Return the log of the mean over frames of their probabilities."""
    return logits.log_softmax(-1).logsumexp(1) - math.log(logits.shape[1])


def _check(dims: Dims, mode: str) -> None:
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}, {spelling.expected(mode, MODES)}")
    if mode == "pipeline" and not {"audio", "video"} <= set(dims):
        raise ValueError(
            f"mode 'pipeline' got {sorted(dims)}, expected audio and video; use 'joint'"
        )
    if not {"audio", "video"} & set(dims):
        raise ValueError(f"dims are of {sorted(dims)}, expected audio, video or both")
    if "audio" in dims and len(dims["audio"]) != 3:
        raise ValueError(
            f"rows of audio are {tuple(dims['audio'])}, expected (frame, channel, bin); "
            "take the scalogram or the fbank encoder"
        )
