"""A canvas measured in picture heights, so that a drawing is the same at every size."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Number = float | int


def shade(rng: np.random.Generator, colour: Colour, spread: int = 25) -> Colour:
    """Return a colour near `colour`, lighter or darker and a little off in hue."""
    shift = rng.integers(-spread, spread, 3) // 2 + rng.integers(-spread, spread)
    red, green, blue = np.clip(np.add(colour, shift), 0, 255).tolist()
    return red, green, blue


def any_colour(rng: np.random.Generator, low: int = 30, high: int = 230) -> Colour:
    """Return a colour whose channels lie in [low, high)."""
    red, green, blue = rng.integers(low, high, 3).tolist()
    return red, green, blue


@dataclass(frozen=True)
class Sketch:
    """An RGB picture under the pencil: (0, 0) is its top left corner, y runs from 0 to 1."""

    image: Image.Image
    pencil: ImageDraw.ImageDraw
    height_px: int

    @classmethod
    def blank(cls, width_px: int, height_px: int) -> "Sketch":
        """Return an empty canvas."""
        image = Image.new("RGB", (width_px, height_px))
        return cls(image, ImageDraw.Draw(image), height_px)

    @property
    def width(self) -> float:
        """The width in picture heights."""
        return self.image.width / self.height_px

    def _px(self, *xy: Number) -> list[float]:
        return [float(v) * self.height_px for v in xy]

    def box(self, x: Number, y: Number, w: Number, h: Number, fill: Colour) -> None:
        """Fill a rectangle."""
        self.pencil.rectangle(self._px(x, y, x + w, y + h), fill=fill)

    def pill(self, x: Number, y: Number, w: Number, h: Number, fill: Colour) -> None:
        """Fill a rectangle with round corners."""
        radius = 0.3 * min(w, h) * self.height_px
        self.pencil.rounded_rectangle(self._px(x, y, x + w, y + h), radius, fill=fill)

    def oval(self, x: Number, y: Number, w: Number, h: Number, fill: Colour) -> None:
        """Fill an ellipse that is centred at (x, y)."""
        self.pencil.ellipse(self._px(x - w / 2, y - h / 2, x + w / 2, y + h / 2), fill=fill)

    def shape(self, *xy: Number, fill: Colour) -> None:
        """Fill a polygon."""
        self.pencil.polygon(self._px(*xy), fill=fill)

    def line(self, *xy: Number, fill: Colour, thick: Number = 0.012) -> None:
        """Draw a line through points."""
        self.pencil.line(self._px(*xy), fill=fill, width=max(1, round(thick * self.height_px)))
