"""TAU Urban Audio-Visual Scenes 2021, evaluation set: one-second items without labels.

    audio/*.wav, video/*.mp4
    evaluation_setup/*_test.csv, else meta.csv        filename_audio, filename_video

How many items there are is what the csv says; the official set has 72 000, 0.wav to 71999.wav.

References:
    https://doi.org/10.5281/zenodo.4767103 (non-commercial use, Tampere University).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from avsc.datasets import files, listing
from avsc.datasets.offenders import Offenders

COLUMNS = {"audio": "filename_audio", "video": "filename_video"}


@dataclass(frozen=True)
class Item:
    """One item: its name in a submission, and its files."""

    name: str
    audio: Path
    video: Path


def items(root: Path, *, columns: Mapping[str, str] = COLUMNS) -> list[Item]:
    """Return the items in the order of the csv; every file is there.

    Raises:
        DatasetError: with everything that is wrong with the set.
        FileNotFoundError: if there is no csv.
    """
    lines, offenders = _lines(root, columns)
    files.check(root, lines, offenders)
    first: dict[str, str] = {}
    for line in lines:
        name = PurePosixPath(line.audio).name
        if first.setdefault(name, line.audio) != line.audio:
            offenders.add("duplicate id", f"{name} ({first[name]}, {line.audio})")
    offenders.stop()
    return [Item(PurePosixPath(x.audio).name, root / x.audio, root / x.video) for x in lines]


def names(root: Path, *, columns: Mapping[str, str] = COLUMNS) -> list[str]:
    """Return what the items are called in a submission; their files need not be there.

    Raises:
        DatasetError: with everything that is wrong with the csv.
        FileNotFoundError: if there is no csv.
    """
    lines, offenders = _lines(root, columns)
    offenders.stop()
    return [PurePosixPath(line.audio).name for line in lines]


def _lines(root: Path, columns: Mapping[str, str]) -> tuple[list[listing.Line], Offenders]:
    offenders = Offenders(root)
    found = listing.read(root, _csv(root), columns, {"audio", "video"}, offenders)
    return list(found.lines.values()) if found else [], offenders


def _csv(root: Path) -> str:
    setup = sorted(root.glob("evaluation_setup/*test.csv"))
    if len(setup) > 1:
        raise FileNotFoundError(
            f"{root / 'evaluation_setup'} has {len(setup)} csv files of tests "
            f"({', '.join(p.name for p in setup)}), expected one; keep that of the evaluation set"
        )
    for path in (*setup, root / "meta.csv"):
        if path.is_file():
            return path.relative_to(root).as_posix()
    raise FileNotFoundError(
        f"{root} has neither evaluation_setup/*_test.csv nor meta.csv; name the folder into which "
        "the evaluation set was unpacked"
    )
