"""TAU Urban Audio-Visual Scenes 2021, and every data set in its layout.

    audio/*.wav, video/*.mp4              or one mp4 a clip that is named in both columns
    meta.csv                              optional: files, scene_label, identifier
    evaluation_setup/<fold>_train.csv     files, scene_label
    evaluation_setup/<fold>_test.csv      files
    evaluation_setup/<fold>_evaluate.csv  files, scene_label

Scenes, cities and locations are what the files say. Of test and evaluate one may be absent; the
labels of the test clips then come from the other or from meta.csv. Clips that only meta.csv lists
are in no fold and left out.

References:
    https://doi.org/10.5281/zenodo.4477542 (non-commercial use, Tampere University).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from avsc.datasets import files, listing, spellings, validation_fold
from avsc.datasets.listing import Line, Listing
from avsc.datasets.offenders import DatasetError, Offenders

__all__ = ["COLUMNS", "DatasetError", "Row", "index"]

COLUMNS = {
    "audio": "filename_audio",
    "video": "filename_video",
    "scene": "scene_label",
    "identifier": "identifier",
}


@dataclass(frozen=True)
class Row:
    """One clip.

    Attributes:
        clip_id: stem of the audio file.
        audio: posix path relative to the data set's root.
        video: likewise; equal to `audio` where the mp4 carries its own sound.
        audio_sha256: hexadecimal.
        video_sha256: hexadecimal.
        scene_label: as in the csv.
        city: `lisbon`.
        location: `lisbon-1175`, so that equal numbers in two cities are two locations.
        split: train, val or test.
    """

    clip_id: str
    audio: str
    video: str
    audio_sha256: str
    video_sha256: str
    scene_label: str
    city: str
    location: str
    split: str


@dataclass(frozen=True)
class _Clip:
    line: Line
    fold: str  # train or test
    scene: str
    city: str
    location: str

    @property
    def id(self) -> str:
        return PurePosixPath(self.line.audio).stem


def index(
    root: Path,
    *,
    fold: str = "fold1",
    columns: Mapping[str, str] = COLUMNS,
    val_fraction: float = 0.1,
    seed: int,
    digest: Callable[[Path], str] = files.sha256,
) -> list[Row]:
    """Return one row a clip, in the order of meta.csv, else train before test.

    Args:
        root: folder of the data set.
        fold: the <fold> of the csv names.
        columns: names of the columns that differ from COLUMNS, by role.
        val_fraction: share of each scene's training locations in the validation fold.
        seed: of the validation fold.
        digest: returns the sha256 of a file; called by several threads.

    Raises:
        DatasetError: with everything that is wrong with the data set.
        ValueError: a role of `columns` that does not exist, or a `val_fraction` not in (0, 1).
    """
    if unknown := sorted(set(columns) - set(COLUMNS)):
        raise ValueError(f"columns names {unknown}, expected some of {sorted(COLUMNS)}")
    offenders = Offenders(root)
    clips, sure = _clips(root, fold, {**COLUMNS, **columns}, offenders)
    held = set()
    _check_folds(clips, offenders)
    if sure:
        places = _training_locations(clips)
        held = validation_fold.cut(places, fraction=val_fraction, seed=seed, offenders=offenders)
    offenders.stop()
    paths = (path for clip in clips for path in (clip.line.audio, clip.line.video))
    found = files.digests(root, paths, offenders, digest=digest)
    return [_row(clip, held, found) for clip in clips]


def _clips(
    root: Path, fold: str, columns: Mapping[str, str], offenders: Offenders
) -> tuple[list[_Clip], bool]:
    """Return the clips that can be told, and whether these are all of the training fold's."""
    meta, train, test = _listings(root, fold, columns, offenders)
    folds = {"train": train, "test": test}
    lines = [(part, line) for part, found in folds.items() for line in found.lines.values()]
    files.check(root, (line for _, line in lines), offenders)
    scenes = {line.scene for _, line in lines if line.scene}
    clips = [c for part, line in lines if (c := _clip(line, part, meta, scenes, offenders))]
    _check_spellings(clips, offenders)
    if train.whole:
        _check_scenes({line.scene for line in train.lines.values()}, clips, offenders)
    sure = train.whole and len(train.lines) == sum(clip.fold == "train" for clip in clips)
    order = {audio: i for i, audio in enumerate(meta.lines)} if meta else {}
    return sorted(clips, key=lambda clip: order.get(clip.line.audio, len(order))), sure


def _listings(
    root: Path, fold: str, columns: Mapping[str, str], offenders: Offenders
) -> tuple[Listing | None, Listing, Listing]:
    """Return what meta.csv, the training csv and the csv of the test clips list."""
    names = {part: f"evaluation_setup/{fold}_{part}.csv" for part in ("train", "test", "evaluate")}
    plain, labelled = {"audio", "video"}, {"audio", "video", "scene"}
    meta = listing.read(root, "meta.csv", columns, labelled, offenders)
    train = listing.read(root, names["train"], columns, labelled, offenders)
    test = listing.read(root, names["test"], columns, plain, offenders)
    evaluate = listing.read(root, names["evaluate"], columns, labelled, offenders)
    if train is None:
        offenders.add("fold csv absent", names["train"])
    if test is None and evaluate is None:
        offenders.add("fold csv absent", f"{names['test']} or {names['evaluate']}")
    if test and evaluate and test.whole and evaluate.whole:
        _check_same_clips(test, evaluate, offenders)
    nothing = Listing("", {}, whole=False)
    return meta, train or nothing, evaluate or test or nothing


def _check_same_clips(test: Listing, evaluate: Listing, offenders: Offenders) -> None:
    for one, other in ((test, evaluate), (evaluate, test)):
        for line in one.lines.values():
            twin = other.lines.get(line.audio)
            if twin is None:
                offenders.add("csv files that disagree", f"{line.where}: not in {other.name}")
            elif twin.video != line.video and one is test:
                what = f"{line.where}: video {line.video!r}, {twin.where}: {twin.video!r}"
                offenders.add("csv files that disagree", what)


def _clip(
    line: Line, part: str, meta: Listing | None, scenes: Iterable[str], offenders: Offenders
) -> _Clip | None:
    more = meta.lines.get(line.audio) if meta else None
    if meta and not more:
        if meta.whole:
            offenders.add("row absent from meta.csv", f"{line.audio} ({line.where})")
        return None  # what meta.csv would have said of it is not to be guessed
    if more and more.video != line.video:
        what = f"{line.where}: video {line.video!r}, {more.where}: {more.video!r}"
        offenders.add("csv files that disagree", what)
    if more and line.scene is not None and more.scene != line.scene:
        what = f"{line.where}: scene {line.scene!r}, {more.where}: {more.scene!r}"
        offenders.add("csv files that disagree", what)
    scene = line.scene if line.scene is not None else (more.scene if more else None)
    if not scene:
        offenders.add("clip without a label", f"{line.audio} ({line.where})")
        return None
    if not scene.isprintable() or scene != scene.strip():
        offenders.add("scene that breaks files", f"{scene!r} ({line.where})")
    if more and more.identifier is not None and more.identifier != more.identifier.strip():
        what = f"{more.identifier!r} ({more.where})"
        offenders.add("identifier with outer spaces", what)
        return None
    place = _place(line, scene, more.identifier if more else None)
    if place is None and not more and (named := _scene_in_name(line, scenes)):
        what = f"{line.audio} is named for {named!r}, its scene is {scene!r} ({line.where})"
        offenders.add("clip named for another scene", what)
        return None
    if place is None:
        found = f", identifier {more.identifier!r}" if more else ""
        offenders.add("clip without a location", f"{line.audio} ({line.where}){found}")
        return None
    return _Clip(line, part, scene, *place)


def _place(line: Line, scene: str, identifier: str | None) -> tuple[str, str] | None:
    """Return (city, location) from the identifier, or from the clip's name if there is none."""
    if identifier is None:
        stem = PurePosixPath(line.audio).stem
        identifier = stem.removeprefix(f"{scene}-").rpartition("-")[0]
        if not stem.startswith(f"{scene}-"):
            return None
    city, _, number = identifier.rpartition("-")
    return (city, identifier) if city and number and identifier.isprintable() else None


def _scene_in_name(line: Line, scenes: Iterable[str]) -> str | None:
    """Return the longest of the scenes with which the clip's name begins."""
    stem = PurePosixPath(line.audio).stem
    return max((s for s in scenes if stem.startswith(f"{s}-")), key=len, default=None)


def _check_spellings(clips: list[_Clip], offenders: Offenders) -> None:
    """Check that nothing is written in two ways, by which a place could be in train and test."""
    for kind in ("scene", "city", "location"):
        names = [(getattr(c, kind), c.line.where) for c in clips]
        spellings.check(kind, names, offenders)
    ids = [(c.id, c.line.where) for c in clips]
    spellings.check("clip", ids, offenders, fold=spellings.without_case)


def _check_folds(clips: list[_Clip], offenders: Offenders) -> None:
    """Check that ids differ, and that train and test share neither clips nor places."""
    audio: dict[str, str] = {}
    fold: dict[str, str] = {}
    places: dict[str, dict[str, int]] = defaultdict(lambda: {"train": 0, "test": 0})
    for clip in clips:
        path = clip.line.audio
        if audio.setdefault(clip.id, path) != path:
            offenders.add("duplicate id", f"{clip.id} ({audio[clip.id]}, {path})")
        if fold.setdefault(path, clip.fold) != clip.fold:
            offenders.add("clip in train and test", path)
        places[clip.location][clip.fold] += 1
    for place, n in places.items():
        if n["train"] and n["test"]:
            what = f"{place} ({n['train']} clips in train, {n['test']} in test)"
            offenders.add("location in train and test", what)


def _check_scenes(trained: set[str | None], clips: Iterable[_Clip], offenders: Offenders) -> None:
    scenes = ", ".join(sorted(scene for scene in trained if scene))
    for clip in clips:
        if clip.scene not in trained:
            what = f"{clip.scene!r} ({clip.line.where}); trained are {scenes}"
            offenders.add("unknown scene", what)


def _training_locations(clips: Iterable[_Clip]) -> dict[str, set[str]]:
    locations: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        if clip.fold == "train":
            locations[clip.scene].add(clip.location)
    return locations


def _row(clip: _Clip, held: set[str], digest: Mapping[str, str]) -> Row:
    audio, video = clip.line.audio, clip.line.video
    split = "val" if clip.fold == "train" and clip.location in held else clip.fold
    return Row(
        clip.id,
        audio,
        video,
        digest[audio],
        digest[video],
        clip.scene,
        clip.city,
        clip.location,
        split,
    )
