"""What encoders with a network share: where weights come from, and batches of one size."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from pickle import UnpicklingError
from threading import RLock
from typing import Any

import huggingface_hub.constants
import numpy as np
import torch
from jaxtyping import Float32
from safetensors import SafetensorError
from torch import Tensor, nn

from avsc.encoders import UnfitError, rows_at_once
from avsc.encoders._augment import Sound, sound_view, stacked

Weights = str | Mapping[str, Tensor]
DRAWING = RLock()
UNREADABLE = (  # what timm, transformers and torch raise on names and files that are no network
    SafetensorError,
    UnpicklingError,
    JSONDecodeError,
    RuntimeError,
    EOFError,
    AttributeError,
    ImportError,
    LookupError,
    TypeError,
)


@dataclass(frozen=True)
class Origin:
    """Where pretrained parameters come from."""

    name: str  # a repository of the hub, or a folder
    revision: str | None  # as asked for; None is the main branch
    licence: str | None = None  # where the library states it; the model card may, too


def check_weights(weights: Weights) -> None:
    """Raise a ValueError unless `weights` is a state dict or one of the two words."""
    if isinstance(weights, str) and weights not in ("pretrained", "random"):
        raise ValueError(
            f"weights is {weights!r}; expected 'pretrained', 'random' or a state dict "
            "(read the file first)"
        )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from `seed` inside; the caller's generators go on as if nothing had happened.

    Threads draw one after the other, for torch's default generator is the same for all of them.
    """
    with DRAWING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def hub(
    name: str,
    *,
    what: str = "pretrained",
    instead: str = "set weights: to a file or to random",
    expected: str = "what save_pretrained wrote, whole: fetch the files again",
) -> Iterator[None]:
    """Turn a failed download, and files that cannot be read, into an error that says what to do.

    Args:
        name: of the repository or folder.
        what: is looked for there.
        instead: what the user can do without it.
        expected: is what should be there.

    Raises:
        FileNotFoundError: if `name` is neither on this machine nor to be had.
        ValueError: if it cannot be loaded.
    """
    try:
        yield
    except UNREADABLE as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, UnpicklingError):  # whose text advises to run what the pickle asks for
            cause = "a pickle of more than tensors, or none"
        raise ValueError(
            f"{what} {name!r} cannot be loaded ({cause}); expected {expected}"
        ) from error
    except OSError as error:
        cause = str(error).strip().splitlines()[0]
        raise FileNotFoundError(
            f"no {what} {name!r} on this machine and no network to fetch it, or no such name "
            f"({cause}); run once with network, put the files in the cache at "
            f"{huggingface_hub.constants.HF_HUB_CACHE}, or {instead}"
        ) from error


def refuse(
    source: str, *, missing: Iterable[str], unexpected: Iterable[str], misshapen: Iterable[str]
) -> None:
    """Raise an UnfitError that names what keeps a state dict from filling a model, if anything."""
    found = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    offences = [f"{_some(sorted(names))} {how}" for how, names in found.items() if any(names)]
    if offences:
        raise UnfitError(
            f"weights of {source} do not fit the model: {'; '.join(offences)}; "
            "give the architecture and the classes that they were trained with"
        )


def load(model: nn.Module, weights: Mapping[str, Tensor], *, source: str) -> None:
    """Fill `model` with `weights`, all of both.

    Counters of batches, which change no output, may be missing: PyTorch before 0.4.1 wrote none.

    Raises:
        UnfitError: if a tensor is missing, is not the model's or has another shape.
    """
    own = model.state_dict()
    counters = {k: v for k, v in own.items() if k.endswith("num_batches_tracked")}
    refuse(
        source,
        missing=own.keys() - counters.keys() - weights.keys(),
        unexpected=weights.keys() - own.keys(),
        misshapen=[
            f"{k} {tuple(weights[k].shape)} for {tuple(own[k].shape)}"
            for k in own.keys() & weights.keys()
            if weights[k].shape != own[k].shape
        ],
    )
    model.load_state_dict(counters | dict(weights))


def tag(
    model: nn.Module, prepare: Callable[[np.ndarray], Tensor], x: np.ndarray, *, batch_size: int
) -> dict[str, Float32[np.ndarray, "row _"]]:
    """Return `embedding` and, of a tagger, `logits` of all rows.

    The model, which gives one or both, is left in evaluation mode.
    """
    model.eval()
    device, at_once = next(model.parameters()).device, rows_at_once(x.shape, batch_size=batch_size)
    with torch.inference_mode():
        batches = [model(prepare(x[i : i + at_once]).to(device)) for i in range(0, len(x), at_once)]
    parts = (torch.cat(part).cpu().numpy() for part in zip(*batches, strict=True))
    return dict(zip(("embedding", "logits"), parts, strict=False))


def tagged_views(
    tagger: Any, x: np.ndarray, *, count: int, seed: int, **limits: Any
) -> Float32[np.ndarray, "row view _"]:
    """Return the plain embedding and those of what the tagger's `prepare_view` gives."""

    def augmented(view: int) -> np.ndarray:
        ready = tagger.prepare_view(x, view=view, seed=seed, **limits).numpy()
        return tag(tagger.model, torch.from_numpy, ready, batch_size=tagger.batch_size)["embedding"]

    return stacked(tagger(x)["embedding"], augmented, count=count)


def prepared_sound(
    tagger: Any, x: np.ndarray, *, view: int, seed: int, **limits: float
) -> Float32[Tensor, "row ..."]:
    """Return what the tagger's `prepare` gives of moved sound, some frames and bands covered."""
    covered = sound_view(
        x,
        Sound(**limits),
        view=view,
        seed=seed,
        second=tagger.sample_rate,
        front_end=lambda moved: tagger.prepare(moved).numpy(),
    )
    return torch.from_numpy(covered)


def _some(names: list[str]) -> str:
    """Return the first three names and how many more there are."""
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest
