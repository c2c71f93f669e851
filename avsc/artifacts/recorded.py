"""Outputs of stages and objects of DVC's cache, compared with their recorded digests.

DVC trusts a read-only cache object without reading it, and a hard link in the workspace is the same
file. A damaged one stays until it is removed from both places.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from avsc.artifacts import (
    disturbances,
    manifest,
    models,
    predictions,
    pseudo_labels,
    sealed_json,
    shard,
    truth,
    weights,
)
from avsc.artifacts.damage import NotReadError, digests

Reader = Callable[[Path], object]
OF_SHARDS: dict[str, Reader] = {  # what checks the digest inside a file of a folder of shards
    "shards.json": lambda path: shard.listed(path.parent),
    "*.h5": lambda path: shard.check(path, shard.listed(path.parent)[path]),
    "disturbances.json": lambda path: disturbances.read(path.parent),
    "bundle.json": sealed_json.read,
}
READERS: dict[str, Reader] = {  # and inside any other output
    "data/manifest/media.csv": partial(manifest.read, columns=manifest.MEDIA),
    "data/manifest/labels_*.csv": partial(manifest.read, columns=manifest.LABELS),
    "data/quarantine.csv": partial(manifest.read, columns=manifest.QUARANTINE),
    "data/truth/*.csv": truth.read,
    "data/pseudo_labels.parquet": pseudo_labels.classes,
    "data/predictions/*.parquet": partial(predictions.read, split="test"),
    "data/studies/*/*.parquet": partial(predictions.read, split="test"),
    "data/studies/*/cells.json": sealed_json.read,
    "data/robustness/*/*.parquet": partial(predictions.read, split="test"),
    "data/robustness/*/disturbances.json": lambda path: disturbances.read(path.parent),
    "data/models/*/config.json": lambda path: models.read(path.parent),
    "data/weights/*.safetensors": weights.read,
}
for folder in ("media", "embeddings/*", "disturbed/*", "embeddings/*/*", "disturbed/*/*"):
    READERS |= {f"data/{folder}/{name}": read for name, read in OF_SHARDS.items()}
BY_HAND = "no stage makes it: put a good copy in its place, run `dvc add`, or delete and `dvc pull`"


@dataclass(frozen=True)
class Recorded:
    """A file and its recorded md5.

    Attributes:
        path: in the workspace or in the cache.
        md5: of its content.
        stored: its object in the cache; `path` itself where that is one.
        remade: whether a stage makes it again; data that were added by hand have no stage.
    """

    path: Path
    md5: str
    stored: Path
    remade: bool


@dataclass(frozen=True)
class Finding:
    """A file that is not as recorded.

    Attributes:
        path: of the file.
        cause: what is wrong with it.
        remove: what to remove so that `dvc repro` makes it again; empty if that would not help.
    """

    path: Path
    cause: str
    remove: frozenset[Path] = frozenset()


def found() -> list[Recorded]:
    """Return the recorded files that exist: outputs in the workspace, and all objects in the cache.

    The working directory is the root of the DVC repository.
    """
    from dvc.repo import Repo

    with Repo() as repo:
        cache = Path(os.path.relpath(repo.cache.local.path))
        outputs = [r for out in repo.index.outs for r in _of_output(out, cache)]
    lasting = {r.stored for r in outputs if not r.remade}
    objects = [
        Recorded(path, path.parent.name + path.name.removesuffix(".dir"), path, path not in lasting)
        for path in sorted(cache.glob("[0-9a-f][0-9a-f]/*"))
        if len(path.name.removesuffix(".dir")) == 30
    ]
    return [r for r in outputs + objects if r.path.is_file()]


def _of_output(out: Any, cache: Path) -> Iterator[Recorded]:
    """Yield the files of an output; of a folder those that its object in the cache lists."""
    digest = out.hash_info
    if not digest or digest.name != "md5" or out.protocol != "local":
        return
    path = Path(os.path.relpath(out.fspath))
    stored, remade = _stored(cache, digest.value), bool(out.stage.cmd)
    if not digest.isdir:
        yield Recorded(path, digest.value, stored, remade)
        return
    if not remade:
        yield Recorded(stored, digest.value.removesuffix(".dir"), stored, remade)
    try:
        members = json.loads(stored.read_bytes())
        for one in members:
            of_member = _stored(cache, one["md5"])
            yield Recorded(path / one["relpath"], one["md5"], of_member, remade)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return  # a damaged list is found among the objects


def _stored(cache: Path, digest: str) -> Path:
    return cache / digest[:2] / digest[2:]


def checked(files: Sequence[Recorded]) -> Iterator[tuple[int, list[Finding]]]:
    """Yield bytes read and findings, file by file; hard links of one file are read once."""
    links = defaultdict(list)
    for one in files:
        state = one.path.stat()
        links[state.st_dev, state.st_ino].append(one)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(_findings, links.values())


def _findings(links: Sequence[Recorded]) -> tuple[int, list[Finding]]:
    path = links[0].path
    size = path.stat().st_size
    try:
        (md5,) = digests(path, "md5")
    except NotReadError as error:
        return size, [Finding(path, str(error))]
    findings = []
    for one in links:
        if md5 != one.md5:
            cause, remove = f"its md5 is {md5}, DVC recorded {one.md5}", {one.path}
        elif one.path != one.stored and (refusal := _refusal(one.path)):
            cause, remove = refusal, {one.path, one.stored}
        else:
            continue
        if not one.remade:
            cause, remove = f"{cause}; {BY_HAND}", set()
        findings.append(Finding(one.path, cause, frozenset(remove)))
    return size, findings


def _refusal(path: Path) -> str:
    """Return why the reader of an output refuses it, although its md5 is as recorded."""
    for pattern, read in READERS.items():
        if path.match(pattern):
            try:
                read(path)
            except (ValueError, KeyError, FileNotFoundError) as error:
                return str(error)
    return ""
