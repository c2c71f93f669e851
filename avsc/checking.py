"""The media that a data set lists, opened one by one: what is damaged, before a run finds out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from avsc.datasets import files, listing, tau
from avsc.datasets.offenders import Offenders
from avsc.media import DecodeError, container, pictures, sound
from avsc.media.track import failure
from avsc.threads import in_threads

Pair = tuple[Path, Path]  # sound and pictures of a clip


def listed(
    root: Path, *, fold: str = "fold1", columns: Mapping[str, str] = tau.COLUMNS
) -> list[Pair]:
    """Return the files of every clip that some csv lists, each pair once.

    Those that are absent, or outside the root, are left out.
    """
    names = [
        "meta.csv",
        *(f"evaluation_setup/{fold}_{p}.csv" for p in ("train", "test", "evaluate")),
    ]
    columns, ignored = {**tau.COLUMNS, **columns}, Offenders(root)
    tables = (listing.read(root, name, columns, {"audio", "video"}, ignored) for name in names)
    lines = (line for table in tables if table for line in table.lines.values())
    pairs = dict.fromkeys((line.audio, line.video) for line in lines)
    inside = root.resolve()
    fit = [pair for pair in pairs if not any(files.locate(inside, path)[0] for path in pair)]
    return [(root / audio, root / video) for audio, video in fit]


def damages(
    pairs: Sequence[Pair], *, seconds: int | None, threads: int
) -> Iterator[tuple[Pair, list[str]]]:
    """Yield, in order, what is wrong with the files of each clip.

    Sounds are read in full. Of pictures every packet is read, and the first picture decoded.

    Args:
        pairs: sound and pictures of each clip; one file twice where it holds both.
        seconds: what each clip must last; None: its own whole seconds.
        threads: how many clips are opened at once.
    """

    def wrong(pair: Pair) -> list[str]:
        found = []
        for file, probe in zip(pair, (_sound, _pictures), strict=True):
            found += _objections(probe, file, seconds)
        return found

    with closing(in_threads(wrong, threads=threads)(iter(pairs))) as found:
        yield from zip(pairs, found, strict=True)


def _objections(
    probe: Callable[[Path, int | None], None], file: Path, seconds: int | None
) -> list[str]:
    try:
        probe(file, seconds)
    except (DecodeError, OSError) as error:
        return [str(error)]
    return []


def _sound(file: Path, seconds: int | None) -> None:
    found = sound.of(file)
    sound.whole_seconds(file, found, seconds)
    sound.check_samples(file, found)


def _pictures(file: Path, seconds: int | None) -> None:
    with container.demuxed(file, "video") as (track,):
        pictures.check_span(track, range(seconds or 1))
        if next(track.decode(track.packets), None) is None:
            raise failure(file, 0, "its video track holds no picture; fetch it again")
