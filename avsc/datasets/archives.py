"""Zip archives of strangers, unpacked so that no file leaves the target and none fills the disk."""

import errno
import re
import shutil
import stat
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

CHUNK = 2**20
LONGEST_NAME = 255  # bytes of a path's part, on nearly every file system
# Windows drops what ends a name, ".. " is its ".."; some names are devices, whatever their ending
WINDOWS = re.compile(r".*[ .]|(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.I)
CONTROL = {".git", "git~1", ".hg", ".svn", ".bzr", ".jj", ".dvc"}  # in any case
DAMAGE = (BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError)


class ArchiveError(ValueError):
    """An archive that is damaged, or that is not safe to unpack."""


@dataclass(frozen=True)
class Limits:
    """What an archive may hold, far above what any of the data set does.

    Attributes:
        files: number of files.
        size: bytes of all files unpacked.
        ratio: bytes of all files unpacked, by bytes of the archive. Media hardly shrink, csv files
            ten or twenty times.
    """

    files: int = 200_000
    size: int = 64 * 2**30
    ratio: float = 100.0


def members(path: Path, *, folder: str = "", limits: Limits = Limits()) -> dict[str, int]:
    """Return the files of a zip: {posix path below the target: bytes unpacked}.

    Args:
        path: of the archive.
        folder: leading folders that are called so, or `<folder>.<anything>`, are left out.
        limits: of what is unpacked.

    Raises:
        ArchiveError: if it cannot be read, is not safe, or holds more than `limits` allow.
    """
    with _opened(path) as archive:
        return {name: i.file_size for name, i in _checked(archive, path, folder, limits).items()}


def unpack(
    path: Path,
    target: Path,
    *,
    folder: str = "",
    limits: Limits = Limits(),
    between: Callable[[], None] = lambda: None,
) -> dict[str, int]:
    """Unpack a zip below `target` and return its files, as `members` does.

    A file appears under its name when all of it is there and its CRC-32 is right; one that is
    already there with this size and CRC-32 is left alone. Modes, owners and dates of the archive
    are not taken over.

    Args:
        path: of the archive.
        target: folder, made if absent.
        folder: see `members`.
        limits: see `members`.
        between: called before each file; what it raises ends the unpacking.

    Raises:
        ArchiveError: see `members`; also if a file in it is damaged.
        OSError: if the disk has less room than the files need, or a link inside `target` stands
            where a file goes.
    """
    with _opened(path) as archive:
        found = _checked(archive, path, folder, limits)
        target.mkdir(parents=True, exist_ok=True)
        absent = {n: i for n, i in found.items() if not _same(_place(target, n, path), i, between)}
        _check_space(path, target, sum(info.file_size for info in absent.values()))
        for name, info in absent.items():
            between()
            _write(archive, info, _place(target, name, path), path)
    return {name: info.file_size for name, info in found.items()}


def inside(name: str, *, folder: str = "") -> str:
    """Return the posix path, below any target, that an archive's `name` stands for.

    Raises:
        ArchiveError: if the name could lead elsewhere, here or on Windows.
    """
    parts = PurePosixPath(name).parts
    if not name.isprintable():
        raise ArchiveError(f"{name!r} has control characters, expected a printable path")
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in name:
        raise ArchiveError(f"{name!r} leaves the folder that it is unpacked into")
    if found := [part for part in parts if part.casefold() in CONTROL]:
        raise ArchiveError(
            f"{name!r} has a part {found[0]!r}, which version control obeys; expected data alone"
        )
    if any(WINDOWS.fullmatch(part) for part in parts):
        raise ArchiveError(
            f"{name!r} is another file or a device on Windows, expected a plain name"
        )
    if any(len(part.encode("utf-8", "surrogatepass")) > LONGEST_NAME for part in parts):
        raise ArchiveError(f"{name[:40]!r}... has a part of over {LONGEST_NAME} bytes")
    while folder and parts and (parts[0] == folder or parts[0].startswith(f"{folder}.")):
        parts = parts[1:]
    return "/".join(parts)


def _opened(path: Path) -> ZipFile:
    with _damage(f"{path} is no whole zip, expected one archive in one file"):
        return ZipFile(path)


@contextmanager
def _damage(what: str) -> Iterator[None]:
    """Raise ArchiveError, saying `what`, for all that zipfile raises of bytes that are wrong."""
    try:
        yield
    except DAMAGE as error:
        raise ArchiveError(f"{what} ({error}); fetch it again") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a seek to where no file can be
            raise
        raise ArchiveError(f"{what} ({error}); fetch it again") from error


def _checked(archive: ZipFile, path: Path, folder: str, limits: Limits) -> dict[str, ZipInfo]:
    found: dict[str, ZipInfo] = {}
    folded: dict[str, str] = {}
    for info in archive.infolist():
        # filename ends at a NUL, which would hide the rest of the name
        name = _named(info, path, folder)
        if not name or info.is_dir():
            continue
        if name in found:
            raise ArchiveError(f"{path}: {name!r} is there twice, expected it once")
        alike = folded.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if alike != name:
            raise ArchiveError(
                f"{path}: {name!r} and {alike!r} are one file where case is not told apart; "
                "expected names that differ in more"
            )
        found[name] = info
    folders = {str(parent) for name in found for parent in PurePosixPath(name).parents}
    if both := sorted(folders & set(found)):
        raise ArchiveError(f"{path}: {both[0]!r} is a file and a folder, expected one of them")
    _check_limits(path, list(found.values()), limits)
    return found


def _named(info: ZipInfo, path: Path, folder: str) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    try:
        name = inside(info.orig_filename, folder=folder)
    except ArchiveError as error:
        raise ArchiveError(f"{path}: {error}; do not trust it") from error
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveError(f"{path}: {name!r} is a link or device, expected files; do not trust it")
    if info.flag_bits & 1:
        raise ArchiveError(f"{path}: {name!r} is encrypted, expected plain files")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise ArchiveError(
            f"{path}: {name!r} is packed by method {info.compress_type}, expected deflate (8) or "
            "none (0); unpack it by another tool"
        )
    if info.volume:
        raise ArchiveError(
            f"{path}: {name!r} lies in volume {info.volume} of a split zip, expected archives that "
            "stand alone; join them first: zip -s 0 <last part> --out <one>.zip"
        )
    return name


def _check_limits(path: Path, infos: list[ZipInfo], limits: Limits) -> None:
    size, packed = sum(i.file_size for i in infos), sum(i.compress_size for i in infos)
    there = path.stat().st_size
    faults = {
        f"{len(infos)} files, expected at most {limits.files}": len(infos) > limits.files,
        f"{size} bytes unpacked, expected at most {limits.size}": size > limits.size,
        f"{size} bytes unpacked of {there}, expected at most {limits.ratio:g} times as many": (
            size > limits.ratio * there
        ),
        f"{packed} bytes packed in a file of {there}: its files overlap": packed > there,
    }
    if found := [text for text, wrong in faults.items() if wrong]:
        raise ArchiveError(f"{path} holds {'; '.join(found)}. It may be a zip bomb: not unpacked")


def _place(target: Path, name: str, path: Path) -> Path:
    place, root = target / name, target.resolve()
    if root not in place.resolve().parents or place.is_symlink():
        raise OSError(
            errno.ELOOP,
            f"{place} of {path} would be written through a link to {place.resolve()}, expected a "
            f"place in {root}; take the link away (all of {target} may lie behind one)",
        )
    return place


def _same(place: Path, info: ZipInfo, between: Callable[[], None]) -> bool:
    if not place.is_file() or place.stat().st_size != info.file_size:
        return False
    between()
    crc = 0
    with place.open("rb") as file:
        while chunk := file.read(CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc == info.CRC


def _check_space(path: Path, target: Path, needed: int) -> None:
    if (free := shutil.disk_usage(target).free) < needed:
        raise OSError(
            errno.ENOSPC,
            f"{target} has {free} bytes free, expected {needed} for the files of {path}; "
            "free some and run again",
        )


def _write(archive: ZipFile, info: ZipInfo, place: Path, path: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    # of the archive's name: two archives that are unpacked at a time may hold the same file
    part = place.with_name(f".{path.name}.part")
    try:
        with (
            _damage(f"{path}: {info.filename!r} is damaged"),
            archive.open(info) as packed,
            part.open("wb") as file,
        ):
            shutil.copyfileobj(packed, file, CHUNK)  # zipfile ends it at the stated size
            if file.tell() != info.file_size:
                raise EOFError(f"{file.tell()} bytes, expected {info.file_size}")
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
