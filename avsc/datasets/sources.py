"""The lists of archives that can be fetched: tau2021.yaml, a file like it, or a Zenodo record."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests
import yaml

TAU2021 = Path(__file__).with_name("tau2021.yaml")
TIMEOUT_S = (10, 60)  # to connect, to wait for a byte
KEYS = {"bytes", "md5", "into"}


class SourceError(ValueError):
    """A list of archives that is not there or makes no sense."""


@dataclass(frozen=True)
class Archive:
    """One archive.

    Attributes:
        part: what it is called for short.
        name: file name.
        url: address.
        size: bytes, None if not known.
        md5: hexadecimal, None if not known.
        into: folder of the data set that it is unpacked into, "" for the root.
    """

    part: str
    name: str
    url: str
    size: int | None
    md5: str | None
    into: str = ""


@dataclass(frozen=True)
class Source:
    """A data set that can be fetched.

    Attributes:
        title: name of the data set.
        doi: without https://doi.org/.
        licence: what it may be used for.
        folder: leading folder that archives may have, which is left out.
        archives: in the order of the list.
    """

    title: str
    doi: str
    licence: str
    folder: str
    archives: tuple[Archive, ...]


def read(path: Path, name: str, *, mirror: str | None = None) -> Source:
    """Return the data set `name` of a list; tau2021.yaml explains its keys.

    Args:
        path: of the list.
        name: a key of it.
        mirror: in place of the list's address: one with {name} in it, or a folder.

    Raises:
        SourceError: if the list or the record that it names is not there or makes no sense.
    """
    block = _block(path, name)
    where = f"{path}: {name}"
    url = mirror or str(block.get("url", ""))
    if not url.startswith(("http://", "https://")):
        raise SourceError(f"{where} has address {url!r}, expected one with http:// or https://")
    if "{name}" not in url:
        url = f"{url.rstrip('/')}/{{name}}"
    listed = block.get("archives") or _recorded(str(block.get("record", "")), where)
    naming = str(block.get("name", "{part}.zip"))
    archives = tuple(
        _archive(f"{where}: archive {part!r}", str(part), naming, url, entry or {})
        for part, entry in listed.items()
    )
    if len({archive.name for archive in archives}) < len(archives):
        raise SourceError(f"{where} names {naming!r} for all, expected a {{part}} in it")
    return Source(
        title=str(block.get("title", name)),
        doi=str(block.get("doi", "")),
        licence=str(block.get("licence", "not stated: ask whoever made it")),
        folder=str(block.get("folder", "")),
        archives=archives,
    )


def chosen(source: Source, patterns: list[str]) -> Source:
    """Return the source with those archives alone whose part matches a pattern (`audio.*`).

    Raises:
        SourceError: if a pattern matches none.
    """
    parts = [archive.part for archive in source.archives]
    for pattern in patterns:
        if not any(Path(part).match(pattern) for part in parts):
            raise SourceError(f"no archive is called {pattern!r}, there are {', '.join(parts)}")
    kept = [a for a in source.archives if any(Path(a.part).match(p) for p in patterns)]
    return replace(source, archives=tuple(kept)) if patterns else source


def _block(path: Path, name: str) -> Mapping[str, Any]:
    try:
        text = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SourceError(f"{path} cannot be read ({error}); expected a list as YAML") from error
    if not isinstance(text, dict) or not isinstance(text.get(name), dict):
        there = sorted(map(str, text)) if isinstance(text, dict) else repr(text)
        raise SourceError(f"{path} has no data set {name!r}; it has {there}")
    return text[name]


def _archive(where: str, part: str, naming: str, url: str, entry: Mapping[str, Any]) -> Archive:
    if unknown := sorted(set(entry) - KEYS):
        raise SourceError(f"{where} has {unknown}, expected some of {sorted(KEYS)}")
    name = naming.format(part=part)
    size, md5, into = entry.get("bytes"), entry.get("md5"), str(entry.get("into", ""))
    if name != Path(name).name or "\\" in name or not name.isprintable() or name.startswith("."):
        raise SourceError(f"{where} is called {name!r}, expected the plain name of a file")
    if Path(into).is_absolute() or ".." in Path(into).parts:
        raise SourceError(f"{where} goes into {into!r}, expected a folder inside the data set")
    if size is not None and not (isinstance(size, int) and size > 0):
        raise SourceError(f"{where} has {size!r} bytes, expected a number above 0, or none")
    if md5 is not None and not (isinstance(md5, str) and _hexadecimal(md5)):
        raise SourceError(f"{where} has md5 {md5!r}, expected 32 hexadecimal digits, or none")
    return Archive(part, name, url.format(name=name), size, md5 and md5.lower(), into)


def _hexadecimal(text: str) -> bool:
    return len(text) == 32 and set(text.lower()) <= set("0123456789abcdef")


def _recorded(record: str, where: str) -> dict[str, Mapping[str, Any]]:
    """Return the zip files of a Zenodo record, as a list's `archives`."""
    if not record.startswith(("http://", "https://")):
        raise SourceError(f"{where} has neither archives nor the address of a record")
    try:
        with requests.get(record, timeout=TIMEOUT_S) as answer:
            answer.raise_for_status()
            files = answer.json()["files"]
            found: dict[str, Mapping[str, Any]] = {
                file["key"].removesuffix(".zip"): {
                    "bytes": file["size"],
                    "md5": file["checksum"].removeprefix("md5:"),
                }
                for file in files
                if file["key"].endswith(".zip")
            }
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{record} gave no list of files ({error}); try later, or write the archives of "
            f"{where} into a list of your own and name it by --sources"
        ) from error
    if not found:
        raise SourceError(f"{record} lists no zip; write the archives of {where} into a list")
    return found
