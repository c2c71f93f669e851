"""Arrays that others made of clips, as the output of an encoder: which frames stand for a second.

Frames are taken to be spaced evenly, frame k in the middle of its window at k * hop_s, as OpenL3
gives them: 96 frames of a clip of 10 s at a hop of 0.1 s, each of the second around its middle.

rows      The frames as they are, which must be one a second.
official  Frames k * n // seconds of n: 0 9 19 28 38 48 57 67 76 86 of 96, nothing averaged. The
          windows reach half a second into the seconds beside, so a score is comparable with the
          baseline's, and not of isolated segments.
middle    The frame in the middle of each second: 5 15 ... 95. Where a window is a second long, as
          OpenL3's are, it is that second and nothing else: segments are isolated.
mean      The mean of the frames whose middles lie in the second. Their windows reach beyond it.
sequence  One row of the whole clip, all its frames in order: (frame, ...). Heads average it, as the
          SJTU course's do; `temporal` reads it in order.
clip      One row of the whole clip, the mean of its frames.

With `views: V` training clips also have, for each second, V frames of its own, the selected row
first: the baseline trains on every frame, ours draws one of each second at each step. Ten views are
all frames of a second of OpenL3's.

References:
    Wang et al., A curated dataset of urban scenes for audio-visual scene analysis, ICASSP 2021;
    github.com/shanwangshan/TAU-urban-audio-visual-scenes, create_data/create_{tr,val,tt}.py (the
    files), train/test_DCASE.py (`official`). The other rules are ours.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float32, Shaped

from avsc import spelling
from avsc.artifacts import feature_process
from avsc.artifacts.feature_files import Found

Arrays = dict[str, dict[str, Float32[np.ndarray, "row ..."]]]  # {clip_id: {name: rows}}

SCOPES = {
    "rows": "segment",
    "official": "segment",
    "middle": "segment",
    "mean": "segment",
    "sequence": "clip",
    "clip": "clip",
}
SHOWN = 20


@dataclass(frozen=True)
class Selection:
    """How rows are made of frames.

    Attributes:
        rule: a key of SCOPES.
        seconds: length of each clip; None takes it from its number of frames.
        hop_s: from the middle of a frame to that of the next.
        views: of each second of a training clip, the selected row included; 0 makes none.
    """

    rule: str
    seconds: int | None
    hop_s: float = 0.1
    views: int = 0

    def __post_init__(self) -> None:
        if self.rule not in SCOPES:
            raise ValueError(f"select is {self.rule!r}; {spelling.expected(self.rule, SCOPES)}")
        if self.hop_s <= 0 or abs(self._rate * self.hop_s - 1) > 1e-6:
            raise ValueError(f"hop_s is {self.hop_s}; expected a whole number of frames a second")
        several = self._rate > 1 and self.rule in ("official", "middle", "mean")
        if self.views and (self.views < 2 or not several):
            raise ValueError(
                f"views: {self.views} with select: {self.rule}; expected 2 or more, of a rule that "
                "chooses from several frames of a second: official, middle or mean"
            )

    @property
    def _rate(self) -> int:
        return max(1, round(1 / self.hop_s))

    def rows(self, frames: Float32[np.ndarray, "frame ..."]) -> Float32[np.ndarray, "row ..."]:
        """Return the rows of a clip.

        Raises:
            ValueError: if the clip has not the number of frames that its length asks for.
        """
        if self.rule == "clip":
            return frames.mean(axis=0, keepdims=True)
        if self.rule == "sequence":
            return frames[None]
        if self.rule == "rows":
            if self.seconds not in (None, len(frames)):
                raise ValueError(f"{len(frames)} frames for {self.seconds} s")
            return frames
        parts = self._of_seconds(len(frames))
        if self.rule == "mean":
            return np.stack([frames[part].mean(axis=0) for part in parts])
        return frames[[part[self._chosen] for part in parts]]

    def of_views(
        self, frames: Float32[np.ndarray, "frame ..."]
    ) -> Float32[np.ndarray, "row view ..."]:
        """Return `views` rows for each second: the selected one, then other frames of it."""
        drawn = []
        for part in self._of_seconds(len(frames)):
            others = [k for k in part if self.rule == "mean" or k != part[self._chosen]]
            spread = range(self.views - 1)
            drawn.append([others[v * len(others) // len(spread)] for v in spread])
        return np.concatenate([self.rows(frames)[:, None], frames[np.array(drawn)]], axis=1)

    @property
    def _chosen(self) -> int:
        return self._rate // 2 if self.rule == "middle" else 0

    def _of_seconds(self, count: int) -> list[range]:
        """Return which of `count` frames belong to each second."""
        # the last window ends with the clip, half a second after its middle
        told = int((count - 1) / self._rate + 0.5 + 1e-6)
        seconds = max(told, 1) if self.seconds is None else self.seconds
        least, most = int((seconds - 0.5) * self._rate) + 1, seconds * self._rate + 1
        if not (least <= count <= most or (self.seconds is None and told)):
            raise ValueError(
                f"{count} frames {self.hop_s:g} s apart, expected {least} to {most} for {seconds} s"
            )
        if self.rule == "official":
            edges = [k * count // seconds for k in range(seconds + 1)]
            return [range(*edge) for edge in pairwise(edges)]
        starts = [k * self._rate for k in range(seconds)]
        return [range(start, min(start + self._rate, count)) for start in starts]


def imported(
    *,
    root: str,
    files: Sequence[str],
    modality: str,
    select: str,
    clips: Collection[str],
    varied: Collection[str],
    seconds: int | None,
    hop_s: float = 0.1,
    views: int = 0,
) -> Arrays:
    """Return the arrays of embeddings of every clip, as `params.yaml` describes where they are.

    Args:
        root: folder of the files.
        files: their paths inside of it.
        modality: "audio" or "video".
        select: a key of SCOPES.
        clips: ids of all clips.
        varied: those that also get views, where there are any.
        seconds: length of each clip; None takes it from its number of frames.
        hop_s: from the middle of a frame to that of the next.
        views: of each second, the selected row included; 0 makes none.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: if an argument is not one of those that there are, a file is damaged, ends the
            process that reads it or unpacks to too much, is of the other modality by the names of
            its groups, or any clip cannot be taken: see `gather`.
    """
    if modality not in ("audio", "video"):
        raise ValueError(f"modality is {modality!r}; expected audio or video")
    for path in map(PurePosixPath, files):
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{path} is outside of {root}, which DVC watches; move it there")
    selection = Selection(select, seconds, hop_s, views)
    wanted = frozenset(clips)
    places = (place for f in files for place in feature_process.read(Path(root) / f, wanted))
    found = (_of(modality, place) for place in places)
    return gather(found, selection, clips=clips, varied=varied)


def gather(
    found: Iterable[Found],
    selection: Selection,
    *,
    clips: Collection[str],
    varied: Collection[str] = (),
) -> Arrays:
    """Return the arrays of embeddings of every clip, in the order of `clips`.

    Raises:
        ValueError: if any clip is absent, there twice, of another shape than the rest, of another
            length, or not finite; all of them are named in one message.
    """
    places: dict[str, list[str]] = {c: [] for c in clips}
    taken: Arrays = {}
    refused: dict[str, str] = {}
    for place in found:
        places[place.clip_id].append(place.where)
        if len(places[place.clip_id]) == 1:
            try:
                taken[place.clip_id] = _arrays(place, selection, views=place.clip_id in varied)
            except ValueError as error:
                refused[place.clip_id] = str(error)
    once = [c for c, where in places.items() if len(where) == 1]
    arrays = {c: taken[c] for c in once if c in taken}
    wrong = {
        "absent": [c for c, where in places.items() if not where],
        "there more than once": [
            f"{c}: {' and '.join(where)}" for c, where in places.items() if len(where) > 1
        ],
        "not to be used": [f"{c}: {refused[c]}" for c in once if c in refused],
    }
    shapes = {c: a["embedding"].shape[1:] for c, a in arrays.items()}
    usual = Counter(shapes.values()).most_common(1)[0][0] if shapes else ()
    others = [f"{c}: {s}" for c, s in shapes.items() if s != usual]
    wrong[f"rows of another shape than {usual}"] = others
    if count := sum(map(len, wrong.values())):
        title = (
            f"{count} of {len(places)} clips cannot be imported; expected one array for each clip "
            "of media.csv, called as its id: correct the files, or the block in params.yaml"
        )
        raise ValueError("\n".join([title, *(_paragraph(k, n) for k, n in wrong.items() if n)]))
    return arrays


def _of(modality: str, place: Found) -> Found:
    """Return the array, if it does not lie in a group that is called as the other modality."""
    other = "video" if modality == "audio" else "audio"
    if f"/{other}/" in place.where:
        raise ValueError(
            f"{place.where} is called {other}, expected {modality}: correct root, files or "
            "modality of the block in params.yaml"
        )
    return place


def _arrays(place: Found, selection: Selection, *, views: bool) -> dict[str, np.ndarray]:
    frames = _float32(place.frames)
    arrays = {"embedding": selection.rows(frames)}
    if views and selection.views:
        arrays["views"] = selection.of_views(frames)
    return arrays


def _float32(frames: Shaped[np.ndarray, "frame ..."]) -> Float32[np.ndarray, "frame ..."]:
    with np.errstate(over="ignore"):  # too large a number is infinite, and refused as such
        frames = frames.astype(np.float32)
    if 0 in frames.shape:
        raise ValueError(f"shape {frames.shape}, which is empty")
    if bad := np.flatnonzero(~np.isfinite(frames).reshape(len(frames), -1).all(axis=1)).tolist():
        raise ValueError(f"{len(bad)} frames with NaN or infinity, the first {bad[0]}")
    return frames


def _paragraph(kind: str, names: list[str]) -> str:
    rest = [f"  ... and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return "\n".join([f"{kind} ({len(names)}):", *(f"  {n}" for n in names[:SHOWN]), *rest])
