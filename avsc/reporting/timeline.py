"""Scene probabilities over the seconds of files, drawn as SVG or PNG.

A panel is a file: a strip of pictures, below it a row a scene, the most probable first, and
a column a second, dark where the scene is probable.
"""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from jaxtyping import Float64
from PIL import Image, ImageDraw, ImageFont

WIDTH, LEFT, WHOLE, RIGHT = 960, 180, 56, 940  # px, as all lengths below
ROW, TITLE, STRIP, AXIS, GAP = 20, 44, 60, 26, 24
INK, PALE, PAPER = "#1b1f24", "#667080", "#ffffff"
RAMP = np.array([[241, 245, 250], [66, 146, 198], [8, 48, 107]])
Px = int | float
TICKS_S = (1, 2, 5, 10, 30, 60, 120)


@dataclass(frozen=True)
class Panel:
    """One file.

    Attributes:
        title: its name.
        about: where the numbers come from.
        scenes: name of each column of `probs`.
        spans: start and end of each row of `probs`, in s.
        probs: scene probabilities.
        whole: of the file.
        pictures: a JPEG for each second from the first span on, or none.
    """

    title: str
    about: str
    scenes: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    probs: Float64[np.ndarray, "row scene"]
    whole: Float64[np.ndarray, " scene"]
    pictures: tuple[bytes, ...] = ()

    @property
    def order(self) -> list[int]:
        """Return the scenes, the most probable on the whole first."""
        return np.argsort(-self.whole, kind="stable").tolist()

    @property
    def height(self) -> int:
        """Return the height of its drawing."""
        strip = STRIP if self.pictures else 0
        return TITLE + strip + ROW * len(self.scenes) + AXIS + GAP


@dataclass(frozen=True)
class Box:
    """A filled rectangle, with what it means."""

    x: Px
    y: Px
    width: Px
    height: Px
    colour: str
    means: str


@dataclass(frozen=True)
class Words:
    """A line of text; `anchor` is start, middle or end, and `y` its middle."""

    x: Px
    y: Px
    text: str
    anchor: str = "start"
    size: int = 12
    colour: str = INK


@dataclass(frozen=True)
class Photo:
    """A JPEG, scaled into a rectangle."""

    x: Px
    y: Px
    width: Px
    height: Px
    jpeg: bytes


Mark = Box | Words | Photo


def colour_of(probability: float) -> str:
    """Return the colour of a cell, from pale (0) to dark (1)."""
    place = min(max(probability, 0.0), 1.0) * (len(RAMP) - 1)
    low = min(int(place), len(RAMP) - 2)
    mixed = RAMP[low] + (RAMP[low + 1] - RAMP[low]) * (place - low)
    return "#{:02x}{:02x}{:02x}".format(*np.round(mixed).astype(int).tolist())


def _marks(panel: Panel, top: Px) -> Iterator[Mark]:
    yield Words(LEFT - WHOLE - 110, top + 12, panel.title, size=15)
    yield Words(LEFT - WHOLE - 110, top + 30, panel.about, colour=PALE)
    end = panel.spans[-1][1]
    scale = (RIGHT - LEFT - WHOLE) / end
    top += TITLE
    if panel.pictures:
        yield from _strip(panel.pictures, top, scale, start=panel.spans[0][0])
        top += STRIP
    for row, i in enumerate(panel.order):
        y, scene = top + ROW * row, panel.scenes[i]
        yield Words(LEFT - 8, y + ROW / 2, scene, "end")
        yield from _cell(panel.whole[i], LEFT, y, WHOLE - 8, f"{scene}, whole file")
        for (start, stop), p in zip(panel.spans, panel.probs[:, i], strict=True):
            x = LEFT + WHOLE + start * scale
            yield from _cell(p, x, y, (stop - start) * scale, f"{scene}, {start} to {stop} s")
    y = top + ROW * len(panel.scenes) + 12
    yield Words(LEFT + (WHOLE - 8) / 2, y, "whole", "middle", 11, PALE)
    step = next((t for t in TICKS_S if t * scale >= 40), TICKS_S[-1])
    for second in range(0, end + 1, step):
        x = LEFT + WHOLE + second * scale
        yield Words(x, y, f"{second} s" if second == 0 else str(second), "middle", 11, PALE)


def _cell(p: float, x: Px, y: Px, width: Px, means: str) -> Iterator[Mark]:
    gap = 1 if width > 4 else 0
    colour = colour_of(p)
    yield Box(x, y, width - gap, ROW - 1, colour, f"{means}: {p:.1%}")
    if width >= 24 and p >= 0.005:
        ink = PAPER if p > 0.45 else INK
        yield Words(x + (width - gap) / 2, y + ROW / 2, f"{100 * p:.0f}", "middle", 11, ink)


def _strip(pictures: Sequence[bytes], top: Px, scale: Px, *, start: int) -> Iterator[Mark]:
    with Image.open(io.BytesIO(pictures[0])) as first:
        shape = first.width / first.height
    tall = STRIP - 8
    every = max(1, int(np.ceil(min(tall * shape, 92) / scale)))
    for second in range(0, len(pictures), every):
        width = min(every * scale - 2, tall * shape)
        height = width / shape
        x = LEFT + WHOLE + (start + second) * scale
        if second == 0 or x + width <= RIGHT:
            yield Photo(x, top + tall - height, width, height, pictures[second])


def _placed(panels: Sequence[Panel]) -> tuple[list[Mark], int]:
    marks: list[Mark] = []
    top = GAP
    for panel in panels:
        marks += _marks(panel, top)
        top += panel.height
    return marks, top


def svg(panels: Sequence[Panel]) -> str:
    """Return the drawing as SVG; each cell says what it means when pointed at."""
    marks, height = _placed(panels)
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">',
            f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
            *map(_tag, marks),
            "</svg>\n",
        ]
    )


def _tag(mark: Mark) -> str:
    match mark:
        case Words():
            return (
                f'<text x="{mark.x:.1f}" y="{mark.y:.1f}" text-anchor="{mark.anchor}" '
                f'dominant-baseline="central" font-size="{mark.size}" fill="{mark.colour}">'
                f"{escape(printable(mark.text))}</text>"
            )
        case Photo():
            data = base64.b64encode(mark.jpeg).decode()
            return f'<image {_corner(mark)} href="data:image/jpeg;base64,{data}"/>'
    title = escape(printable(mark.means))
    return f'<rect {_corner(mark)} fill="{mark.colour}"><title>{title}</title></rect>'


def _corner(mark: Box | Photo) -> str:
    return f'x="{mark.x:.1f}" y="{mark.y:.1f}" width="{mark.width:.1f}" height="{mark.height:.1f}"'


def printable(text: str) -> str:
    """Return text in which every character that cannot be shown is marked as such."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def png(panels: Sequence[Panel], *, zoom: int = 2) -> bytes:
    """Return the same drawing as PNG, `zoom` pixels for each of its own."""
    marks, height = _placed(panels)
    image = Image.new("RGB", (WIDTH * zoom, height * zoom), PAPER)
    draw = ImageDraw.Draw(image)
    for mark in marks:
        match mark:
            case Box():
                x, y = mark.x * zoom, mark.y * zoom
                corner = (x + mark.width * zoom - 1, y + mark.height * zoom - 1)
                draw.rectangle((x, y, max(x, corner[0]), corner[1]), fill=mark.colour)
            case Words():
                font = ImageFont.load_default(mark.size * zoom)
                anchor = {"start": "lm", "middle": "mm", "end": "rm"}[mark.anchor]
                at = (mark.x * zoom, mark.y * zoom)
                draw.text(at, printable(mark.text), mark.colour, font, anchor)
            case Photo():
                size = max(1, round(mark.width * zoom)), max(1, round(mark.height * zoom))
                with Image.open(io.BytesIO(mark.jpeg)) as photo:
                    image.paste(photo.resize(size), (round(mark.x * zoom), round(mark.y * zoom)))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
