"""Networks of transformers: an architecture from params, and weights used to the last tensor."""

import dataclasses
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache
from torch import Tensor
from transformers.utils import cached_file, logging

from avsc.encoders._config import check_buildable, check_numbers, describing, read
from avsc.encoders._network import hub, refuse

OF_NO_SIZE = ("_token_id", "_min_masks")  # ends of keys whose number may be 0 whatever it is else
EXTRACTOR, PROCESSOR = "preprocessor_config.json", "processor_config.json"


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


def config_file(name: str, revision: str, **said: str) -> Path:
    """Return the config.json that `name` has at `revision`.

    Args:
        name: a folder or a repository of the hub.
        revision: of the repository.
        **said: as in `hub`.

    Raises:
        FileNotFoundError: if it is neither on this machine nor to be had.
    """
    with hub(name, **said):
        path = cached_file(name, "config.json", revision=revision)
        if path is None:
            raise OSError("it has no config.json")
    return Path(path)


def described(
    kind: Any,
    name: str,
    revision: str,
    *,
    changed: Mapping[str, Any] | None = None,
    **said: str,
) -> Any:
    """Return the config, of a network of class `kind`, that `name` has at `revision`.

    Args:
        kind: class of the network.
        name: a folder or a repository of the hub.
        revision: of the repository.
        changed: keys that are others than there.
        **said: as in `hub`.

    Raises:
        FileNotFoundError: if it is neither on this machine nor to be had.
        ValueError: if its config.json describes no such network.
    """
    path = config_file(name, revision, **said)
    with describing(str(path), kind.config_class.__name__), _quiet():
        read(path)
        config = kind.config_class.from_pretrained(path.parent, **(changed or {}))
        config.name_or_path = name  # not the folder of the cache
        return _buildable(kind, config)


def _buildable(kind: Any, config: Any) -> Any:
    """Return the config, if a network can be built of it."""
    config.return_dict = True  # or its outputs have no names
    own = type(config).__annotations__.keys() - _unsized(config)
    check_numbers({k: getattr(config, k) for k in own}, least=1)
    check_buildable(lambda: kind(config))
    return config


def _unsized(config: Any) -> set[str]:
    """Return the keys of a config that neither count nor measure a part, so that they may be 0."""
    return {
        f.name
        for f in dataclasses.fields(config)
        if isinstance(f.default, float) or f.default == 0 or f.name.endswith(OF_NO_SIZE)
    }


def extractor(name: str, revision: str, *, needed: bool) -> dict[str, Any]:
    """Return what `name` says at `revision` of its feature extractor, {} where it says nothing.

    Args:
        name: a folder or a repository of the hub.
        revision: of the repository.
        needed: that nobody knows whether the repository says something is an error.

    Raises:
        FileNotFoundError: if it is `needed`, and the hub would have to be asked and cannot be.
        ValueError: if its file is no object of JSON.
    """
    with hub(name, what=f"{EXTRACTOR} of", instead="set normalise: to what it says"):
        paths = [_optional(name, file, revision) for file in (EXTRACTOR, PROCESSOR)]
        if needed and not any(paths) and not _absent(name, EXTRACTOR, revision):
            raise OSError("it is not in the cache, nor that there is none")
    for path in filter(None, paths):
        with describing(str(path), "feature extractor"):
            found = read(path)
            own = found if path.name == EXTRACTOR else found.get("feature_extractor", {})
            _check_extractor(own)
        return own
    return {}


def _check_extractor(said: Any) -> None:
    """Raise a ValueError unless it is an object of JSON with a rate and a choice."""
    if not isinstance(said, dict):
        raise ValueError(f"feature_extractor is {str(said)[:40]!r}, no object of JSON")
    rate, normalised = said.get("sampling_rate", 1), said.get("do_normalize", True)
    if type(rate) is not int or rate < 1 or type(normalised) is not bool:
        raise ValueError(f"sampling_rate is {rate!r} and do_normalize {normalised!r}")


def _optional(name: str, file: str, revision: str) -> Path | None:
    path = cached_file(name, file, revision=revision, _raise_exceptions_for_missing_entries=False)
    if path is None and os.path.lexists(Path(name, file)):
        raise OSError(f"its {file} is no file that can be read")
    return None if path is None else Path(path)


def _absent(name: str, file: str, revision: str) -> bool:
    """Return whether a folder, or the hub when it was asked, lacks a file."""
    if Path(name).is_dir():
        return True
    return try_to_load_from_cache(name, file, revision=revision) is _CACHED_NO_EXIST


def check_alone(name: str, config: Mapping[str, Any] | None) -> None:
    """Raise a ValueError if a config is given beside that of pretrained weights."""
    if config is not None:
        raise ValueError(f"config is given, but weights: pretrained has that of {name!r}; drop one")


def pretrained(
    kind: Any,
    name: str,
    revision: str,
    config: Mapping[str, Any] | None,
    *,
    changed: Mapping[str, Any] | None = None,
    besides: str | None = None,
) -> Any:
    """Return the model, of class `kind`, that `name` is at `revision`; there is no other config.

    Args:
        kind: class of the network.
        name: a folder or a repository of the hub.
        revision: of the repository.
        config: None; another one is refused.
        changed: keys of its config that are others than there.
        besides: as in `filled`.

    Raises:
        FileNotFoundError: if it is neither on this machine nor to be had.
        ValueError: if a config is given, that of `name` describes no such model, or not every
            tensor is the model's.
    """
    check_alone(name, config)
    own = described(kind, name, revision, changed=changed)
    with hub(name):
        return _whole(kind, name, besides=besides, revision=revision, config=own)


def filled(
    kind: Any, config: Any, weights: Mapping[str, Tensor], *, besides: str | None = None
) -> Any:
    """Return a model of class `kind` with copies of `weights`.

    Args:
        kind: class of the network.
        config: of the network.
        weights: its tensors.
        besides: pattern of names which weights or model may have alone; None is no name.

    Raises:
        UnfitError: if a tensor is missing, is not the model's or has another shape.
    """
    state = {k: v.detach().clone() for k, v in weights.items()}
    return _whole(kind, None, besides=besides, config=config, state_dict=state)


def _whole(kind: Any, name: str | None, *, besides: str | None, **source: Any) -> Any:
    """Return a model, under the names of transformers 4 or 5, of which every tensor was used."""
    with _quiet():
        net, report = kind.from_pretrained(
            name,
            **source,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below with the rest
        )

    def counted(keys: Iterable[str]) -> list[str]:
        return [k for k in keys if besides is None or not re.search(besides, k)]

    refuse(
        name or "the state dict",
        missing=counted(report["missing_keys"]),
        unexpected=counted(report["unexpected_keys"]),
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
