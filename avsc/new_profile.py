"""Write a first profile for a data set, from what its listings and some of its files hold."""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from avsc.datasets import tau
from avsc.media import DecodeError, container, sound

PROBED = 24  # clips that are opened
WATCHED_BYTES = 2 * 10**9  # of a data set that DVC may read whole to learn that it changed
FRACTIONS = (0.1, 0.2, 0.34, 0.5)  # of the training locations, for validation
TEMPLATE = Path(__file__).with_name("new_profile.yaml")
ENDINGS = {"audio": (".wav", ".flac", ".mp3", ".m4a", ".ogg"), "video": (".mp4", ".mkv", ".mov")}
NAMED = {"scene": ("scene", "class", "label"), "identifier": ("identifier", "location", "place")}


@dataclass(frozen=True)
class Survey:
    """What a data set holds.

    Attributes:
        root: its folder.
        fold: the fold that the profile takes.
        columns: names of csv columns that differ from TAU's, by role.
        val_fraction: share of the training locations of each scene for validation.
        clips: number of clips of each split.
        scenes: number of scenes.
        locations: number of locations.
        seconds: length of every clip; None where they differ.
        rates: sample rates of the sounds that were opened, the most frequent first.
        sizes: width and height of their pictures, the most frequent first.
        notes: what is missing or odd.
    """

    root: Path
    fold: str
    columns: Mapping[str, str]
    val_fraction: float
    clips: Mapping[str, int]
    scenes: int
    locations: int
    seconds: int | None
    rates: Sequence[int]
    sizes: Sequence[tuple[int, int]]
    notes: Sequence[str]


def survey(root: Path, *, seed: int) -> Survey:
    """Look at a data set.

    Raises:
        DatasetError: with all that is wrong with its listings.
        FileNotFoundError: if it has no training csv.
        ValueError: if the columns of the csv cannot be told apart, or no clip can be opened.
    """
    folds = sorted(
        p.name.removesuffix("_train.csv") for p in root.glob("evaluation_setup/*_train.csv")
    )
    if not folds:
        raise FileNotFoundError(
            f"{root}/evaluation_setup has no <fold>_train.csv; write one with the columns "
            f"{', '.join(tau.COLUMNS.values())}: docs/your-data.md"
        )
    fold = "fold1" if "fold1" in folds else folds[0]
    notes = [f"other folds: {', '.join(f for f in folds if f != fold)}"] if len(folds) > 1 else []
    columns = _columns(root / f"evaluation_setup/{fold}_train.csv")
    rows, fraction = _listed(root, fold, columns, seed)
    lengths, rates, sizes, lost = _opened(root, rows)
    notes += _missing(rows, lost)
    whole = {round(s) for s in lengths}
    same = len(whole) == 1 and all(abs(s - round(s)) <= sound.TOLERANCE_S for s in lengths)
    if not same:
        notes.append(f"lengths from {min(lengths):.1f} to {max(lengths):.1f} s")
    return Survey(
        root=root,
        fold=fold,
        columns=columns,
        val_fraction=fraction,
        clips=Counter(r.split for r in rows),
        scenes=len({r.scene_label for r in rows}),
        locations=len({r.location for r in rows}),
        seconds=whole.pop() if same else None,
        rates=[rate for rate, _ in Counter(rates).most_common()],
        sizes=[size for size, _ in Counter(sizes).most_common()],
        notes=notes,
    )


def _columns(path: Path) -> dict[str, str]:
    """Return the columns of a csv whose names are not TAU's, by role, as names and cells tell."""
    with path.open(newline="", encoding="utf-8-sig") as f:
        text = f.read(2**16)
    rows = list(csv.reader(text.splitlines(), delimiter="\t" if "\t" in text else ","))
    header, cells = rows[0] if rows else [], rows[1:20]
    found: dict[str, str] = {}
    for role, usual in tau.COLUMNS.items():
        if usual in header:
            continue
        for i, name in enumerate(header):
            values = [row[i].lower() for row in cells if i < len(row)]
            fits = role in ENDINGS and values and all(v.endswith(ENDINGS[role]) for v in values)
            if name not in found.values() and (fits or name.lower() in NAMED.get(role, ())):
                found[role] = name
                break
    if "audio" not in found and tau.COLUMNS["audio"] not in header and "video" in found:
        found["audio"] = found["video"]  # files that carry their own sound
    return found


def _listed(
    root: Path, fold: str, columns: Mapping[str, str], seed: int
) -> tuple[list[tau.Row], float]:
    """Return all clips, and the share of locations that leaves two clips of a scene to validate."""
    for fraction in FRACTIONS:
        rows = tau.index(
            root, fold=fold, columns=columns, val_fraction=fraction, seed=seed, digest=str
        )
        held = Counter(r.scene_label for r in rows if r.split == "val")
        if all(held[scene] >= 2 for scene in {r.scene_label for r in rows}):
            break
    return rows, fraction


def _opened(
    root: Path, rows: Sequence[tau.Row]
) -> tuple[list[float], list[int], list[tuple[int, int]], list[str]]:
    """Return lengths, rates and sizes of some clips, and why others could not be opened."""
    lengths: list[float] = []
    rates: list[int] = []
    sizes: list[tuple[int, int]] = []
    lost: list[str] = []
    for row in rows[:: max(1, len(rows) // PROBED)]:
        try:
            heard = sound.of(root / row.audio)
            with container.demuxed(root / row.video, "video") as (track,):
                size = track.stream.codec_context
                sizes.append((size.width, size.height))
        except (DecodeError, OSError) as error:
            lost.append(str(error))
            continue
        lengths.append(heard.seconds)
        rates.append(heard.rate)
    if not lengths:
        raise ValueError(f"none of {len(lost)} clips can be opened; the first: {lost[0]}")
    return lengths, rates, sizes, lost


def _missing(rows: Iterable[tau.Row], lost: Sequence[str]) -> list[str]:
    """Return what a data set lacks for training, validation and test, a line each."""
    clips: dict[str, Counter[str]] = defaultdict(Counter)
    for r in rows:
        clips[r.scene_label][r.split] += 1
    found = [
        f"{scene}: {count['train']} clips to train on, {count['val']} to validate, "
        f"{count['test']} to test"
        for scene, count in sorted(clips.items())
        if min(count["train"], count["val"] - 1, count["test"]) < 1
    ]
    return found + [f"cannot be opened: {cause}" for cause in lost]


def text(found: Survey, name: str, *, pretrained: bool) -> str:
    """Return params.yaml of a small profile: three encoders, four experiments, one ensemble.

    Args:
        found: the data set.
        name: what it is called beside every score.
        pretrained: take networks from the hub, in place of small ones of random weights.
    """
    rate = next((r for r in found.rates if r < 16_000), 16_000)
    side = min(224 if pretrained else 96, *(min(size) for size in found.sizes))
    size = sum(p.stat().st_size for p in found.root.rglob("*") if p.is_file())
    large = size > WATCHED_BYTES
    about = [
        f"{sum(found.clips.values())} clips of {found.scenes} scenes from {found.locations} "
        f"locations: {found.clips['train']} to train on, {found.clips['val']} to validate, "
        f"{found.clips['test']} to test",
        f"sound at {_some(f'{r} Hz' for r in found.rates)}, pictures of "
        f"{_some(f'{w} x {h} px' for w, h in found.sizes)}",
        *found.notes,
    ]
    networks = PRETRAINED if pretrained else RANDOM
    return Template(TEMPLATE.read_text("utf-8")).substitute(
        about="\n".join(f"#   {line}" for line in about),
        name=json.dumps(name),
        root=json.dumps(found.root.as_posix()),
        watch=json.dumps((found.root / "evaluation_setup" if large else found.root).as_posix()),
        fold=json.dumps(found.fold),
        columns=json.dumps(dict(found.columns)),
        val_fraction=found.val_fraction,
        seconds="null" if found.seconds is None else found.seconds,
        sample_rate=rate,
        short_side_px=side,
        networks=Template(networks).substitute(side=side).strip("\n"),
    )


def _some(values: Iterable[str]) -> str:
    first, *rest = values
    return f"{first} and {len(rest)} others" if rest else first


RANDOM = """
  # Small networks with random weights: they run anywhere, and know nothing. For networks from the
  # hub: `avsc params new --pretrained`.
  ast:
    encoder: ast
    weights: random
    classes: [sound_1, sound_2, sound_3, sound_4]
    config: {hidden_size: 96, num_hidden_layers: 2, num_attention_heads: 3, intermediate_size: 192}
  convnext:
    encoder: timm_image
    weights: random
    name: convnext_atto
    model_kwargs: {depths: [1, 1, 3, 1], dims: [16, 32, 64, 128]}
    classes: [object_1, object_2, object_3, object_4]
    input_size: $side
"""
PRETRAINED = """
  # From the hub: docs/weights.md tells how to bring them to a machine without network.
  ast: {encoder: ast, weights: pretrained}
  convnext:
    encoder: timm_image
    weights: pretrained
    name: convnext_base.fb_in1k
    input_size: $side
"""
