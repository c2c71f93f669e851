"""Networks of transformers: an architecture from params, and weights used to the last tensor."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.utils import cached_file, logging

from avsc.encoders._config import check_buildable, check_file, check_numbers, describing
from avsc.encoders._network import hub, refuse


def architecture(kind: Any, config: Mapping[str, Any], *, more: Collection[str] = ()) -> Any:
    """Return the config of a network of class `kind`.

    Args:
        kind: class of the network.
        config: its keys; the others have their defaults.
        more: keys that it takes beside its fields.

    Raises:
        ValueError: if it does not know a key, or its values describe no such network.
    """
    made = kind.config_class
    known = {f.name for f in dataclasses.fields(made)}.union(more)
    if unknown := sorted(config.keys() - known):
        raise ValueError(f"config has {', '.join(unknown)}, which {made.__name__} does not know")
    with describing("config", made.__name__, expected="values as transformers documents them"):
        check_numbers(config)
        return _buildable(kind, made(**config))


def described(kind: Any, name: str, revision: str, **said: str) -> Any:
    """Return the config, of a network of class `kind`, that `name` has at `revision`.

    Args:
        kind: class of the network.
        name: a folder or a repository of the hub.
        revision: of the repository.
        **said: as in `hub`.

    Raises:
        FileNotFoundError: if it is neither on this machine nor to be had.
        ValueError: if its config.json describes no such network.
    """
    with hub(name, **said):
        path = Path(str(cached_file(name, "config.json", revision=revision)))
    with describing(str(path), kind.config_class.__name__), _quiet():
        check_file(path)
        config = kind.config_class.from_pretrained(path.parent)
        config.name_or_path = name  # not the folder of the cache
        return _buildable(kind, config)


def _buildable(kind: Any, config: Any) -> Any:
    """Return the config, if a network can be built of it."""
    check_numbers({k: getattr(config, k) for k in type(config).__annotations__}, least=1)
    check_buildable(lambda: kind(config))
    return config


def pretrained(kind: Any, name: str, revision: str, config: Mapping[str, Any] | None) -> Any:
    """Return the model, of class `kind`, that `name` is at `revision`; there is no other config.

    Raises:
        FileNotFoundError: if it is neither on this machine nor to be had.
        ValueError: if a config is given, that of `name` describes no such model, or not every
            tensor is the model's.
    """
    if config is not None:
        raise ValueError(f"config is given, but weights: pretrained has that of {name!r}; drop one")
    own = described(kind, name, revision)
    with hub(name):
        return _whole(kind, name, revision=revision, config=own)


def filled(kind: Any, config: Any, weights: Mapping[str, Tensor]) -> Any:
    """Return a model of class `kind` with copies of `weights`.

    Raises:
        UnfitError: if a tensor is missing, is not the model's or has another shape.
    """
    state = {k: v.detach().clone() for k, v in weights.items()}
    return _whole(kind, None, config=config, state_dict=state)


def _whole(kind: Any, name: str | None, **source: Any) -> Any:
    """Return a model, under the names of transformers 4 or 5, of which every tensor was used."""
    with _quiet():
        net, report = kind.from_pretrained(
            name,
            **source,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below with the rest
        )
    refuse(
        name or "the state dict",
        missing=report["missing_keys"],
        unexpected=report["unexpected_keys"],
        misshapen=[f"{k} {tuple(a)} for {tuple(b)}" for k, a, b in report["mismatched_keys"]],
    )
    return net


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from reporting what it loads: `refuse` names what is wrong, in a line."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
