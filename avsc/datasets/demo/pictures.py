"""How a place looks whoever is in it, and the pictures that a camera takes there."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from avsc.datasets.demo.objects import DRAWINGS
from avsc.datasets.demo.scenes import OBJECTS
from avsc.datasets.demo.sketch import Sketch, any_colour, shade

MARGIN = 1 / 18  # of the height, around the picture: the room in which the camera shakes
MOVING = frozenset(OBJECTS.index(name) for name in ("person", "car", "bus"))


@dataclass(frozen=True)
class Look:
    """The nuisances of a location, drawn without knowing its scene."""

    backdrop_seed: int
    gain: tuple[float, float, float]
    brightness: float
    contrast: float
    grain: float
    shake: float  # of the margin

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Look":
        """Return the look of a new place."""
        red, green, blue = rng.uniform(0.82, 1.18, 3).tolist()
        return cls(
            backdrop_seed=int(rng.integers(2**32)),
            gain=(red, green, blue),
            brightness=rng.uniform(-28, 28),
            contrast=rng.uniform(0.7, 1.15),
            grain=rng.uniform(3, 28),
            shake=rng.uniform(0, 0.6),
        )


def backdrop(s: Sketch, rng: np.random.Generator) -> None:
    """A wall and a floor of any colour, their pattern, and things that mean nothing."""
    horizon, wall, floor = rng.uniform(0.45, 0.7), any_colour(rng, 60), any_colour(rng, 40, 200)
    s.box(0, 0, s.width, horizon, wall)
    s.box(0, horizon, s.width, 1, floor)
    dark, step = shade(rng, wall, 40), rng.uniform(0.08, 0.3)
    for x in np.arange(rng.uniform(0, step), s.width, step):
        s.line(x, 0, x, horizon, fill=dark)
    joint = shade(rng, floor, 40)
    for y in horizon + (1 - horizon) * np.linspace(0.1, 1, rng.integers(2, 7)) ** 1.7:
        s.line(0, y, s.width, y, fill=joint)
    for _ in range(rng.integers(2, 7)):
        x, y, w, h = rng.uniform([0, 0, 0.05, 0.05], [s.width, 1, 0.3, 0.2])
        mark = s.box if rng.random() < 0.5 else s.oval
        mark(x, y, w, h, shade(rng, wall if y < horizon else floor, 50))


def _seeds(
    rng: np.random.Generator, visible: Bool[np.ndarray, "second object"]
) -> Int64[np.ndarray, "second object"]:
    """Return seeds that last while an object stays in sight; what moves looks new each second."""
    seeds = rng.integers(2**32, size=visible.shape)
    still = [i for i in range(visible.shape[1]) if i not in MOVING]
    for second in range(1, len(visible)):
        kept = np.array(still)[visible[second, still] & visible[second - 1, still]]
        seeds[second, kept] = seeds[second - 1, kept]
    return seeds


def _develop(
    rng: np.random.Generator, exposed: UInt8[np.ndarray, "height width 3"], look: Look
) -> UInt8[np.ndarray, "height width 3"]:
    """Apply the camera's colours and grain."""
    levels = (np.arange(256) - 128) * look.contrast + 128 + look.brightness
    table = (levels[:, None] * look.gain).astype(np.float32)
    grain = (rng.random(exposed.shape[:2], dtype=np.float32) - 0.5) * np.float32(look.grain)
    developed = np.empty(exposed.shape, np.uint8)
    for channel in range(3):
        developed[..., channel] = np.clip(table[exposed[..., channel], channel] + grain, 0, 255)
    return developed


def wide(
    rng: np.random.Generator,
    visible: Bool[np.ndarray, "second object"],
    look: Look,
    *,
    width_px: int,
    height_px: int,
) -> UInt8[np.ndarray, "second wide_height wide_width 3"]:
    """Return one picture a second, larger than asked for by a margin on each side."""
    margin = round(MARGIN * height_px)
    pictures = []
    for shown, seeds in zip(visible, _seeds(rng, visible), strict=True):
        s = Sketch.blank(width_px + 2 * margin, height_px + 2 * margin)
        backdrop(s, np.random.default_rng(look.backdrop_seed))
        for i in np.flatnonzero(shown):  # OBJECTS are in order from the back to the front
            DRAWINGS[i](s, np.random.default_rng(seeds[i]))
        pictures.append(_develop(rng, np.asarray(s.image), look))
    return np.stack(pictures)


def shake(
    rng: np.random.Generator, look: Look, *, num_frames: int
) -> Float64[np.ndarray, "frame 2"]:
    """Return where the camera points in each frame: down and right, in margins, in [-1, 1]."""
    aim = rng.uniform(-0.5, 0.5, 2) + np.cumsum(
        rng.normal(0, look.shake / 4, (num_frames, 2)), axis=0
    )
    return np.abs((aim + 3) % 4 - 2) - 1  # reflected at the edges


def crop(
    picture: UInt8[np.ndarray, "wide_height wide_width 3"],
    aim: Float64[np.ndarray, "2"],
    *,
    width_px: int,
    height_px: int,
) -> UInt8[np.ndarray, "height width 3"]:
    """Return the part of a wide picture that the camera sees."""
    room = np.array(picture.shape[:2]) - (height_px, width_px)
    top, left = np.rint((aim + 1) / 2 * room).astype(int)
    return picture[top : top + height_px, left : left + width_px]
