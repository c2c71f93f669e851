"""The sixteen objects of the demo world, one function an object, drawn with Pillow."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from avsc.datasets.demo.scenes import OBJECTS
from avsc.datasets.demo.sketch import Sketch, any_colour, shade

GLASS, RUBBER, STEEL, WOOD = (150, 190, 215), (25, 25, 28), (165, 168, 172), (135, 90, 50)


def sky(s: Sketch, rng: np.random.Generator) -> None:
    """Blue that pales towards the horizon, with clouds."""
    horizon, blue = rng.uniform(0.25, 0.45), np.array(shade(rng, (85, 150, 225)))
    for y in np.linspace(0, horizon, 12):
        pale = (blue + (235 - blue) * 0.7 * y / horizon).astype(int).tolist()
        s.box(0, y, s.width, horizon / 11, (pale[0], pale[1], pale[2]))
    for _ in range(rng.integers(2, 5)):
        x, y = rng.uniform(0, s.width), rng.uniform(0.03, 0.8 * horizon)
        for dx in (-0.09, 0, 0.08):
            s.oval(x + dx, y + abs(dx) / 4, 0.17, 0.07, (245, 246, 250))


def building(s: Sketch, rng: np.random.Generator) -> None:
    """A house front with a roof and a grid of windows."""
    w, h = rng.uniform(0.3, 0.5), rng.uniform(0.42, 0.6)
    x, y = rng.uniform(-0.05, s.width - 0.8 * w), 0.72 - h
    s.box(x, y, w, h, shade(rng, (190, 160, 125), 45))
    s.shape(x - 0.02, y, x + w / 2, y - 0.1, x + w + 0.02, y, fill=shade(rng, (120, 60, 50)))
    columns, rows = rng.integers(3, 5), rng.integers(3, 5)
    pane = shade(rng, (60, 75, 95))
    for i in range(columns):
        for j in range(rows):
            s.box(
                x + w * (i + 0.25) / columns,
                y + h * (j + 0.25) / rows,
                0.5 * w / columns,
                0.55 * h / rows,
                pane,
            )


def shop_window(s: Sketch, rng: np.random.Generator) -> None:
    """A lit pane with goods under a striped awning."""
    w, h = rng.uniform(0.4, 0.6), rng.uniform(0.26, 0.36)
    x, y = rng.uniform(-0.05, s.width - 0.8 * w), rng.uniform(0.32, 0.4)
    s.box(x, y, w, h, (70, 60, 55))
    s.box(x + 0.02, y + 0.02, w - 0.04, h - 0.04, shade(rng, (250, 232, 170), 15))
    for gx in np.arange(x + 0.05, x + w - 0.08, 0.09):
        goods = rng.uniform(0.06, 0.16)
        s.box(gx, y + h - 0.03 - goods, 0.055, goods, any_colour(rng))
    stripe, edge = any_colour(rng, 20, 180), np.linspace(x - 0.03, x + w + 0.03, 11)
    for i, (a, b) in enumerate(pairwise(edge)):
        fill = stripe if i % 2 else (245, 245, 240)
        s.shape(a, y - 0.01, b, y - 0.01, b, y + 0.07, a, y + 0.07, fill=fill)


def escalator(s: Sketch, rng: np.random.Generator) -> None:
    """Steps that climb between two slanted balustrades."""
    flip, x0 = rng.random() < 0.5, rng.uniform(0.05, s.width - 0.6)
    run, rise, y0 = rng.uniform(0.45, 0.6), rng.uniform(0.4, 0.5), rng.uniform(0.78, 0.9)
    xs = np.linspace(x0, x0 + run, 12)[:: -1 if flip else 1]
    ys = np.linspace(y0, y0 - rise, 12)
    s.shape(xs[0], y0 + 0.1, xs[0], y0, xs[-1], ys[-1], xs[-1], ys[-1] + 0.1, fill=(55, 58, 64))
    for x, y in zip(xs, ys, strict=True):
        s.line(x, y, x, y + 0.09, fill=(215, 215, 205), thick=0.01)
    for lift in (0.1, -0.09):
        s.line(
            xs[0], y0 + lift, xs[-1], ys[-1] + lift, fill=shade(rng, (30, 30, 34), 12), thick=0.035
        )
        s.line(xs[0], y0 + lift, xs[-1], ys[-1] + lift, fill=STEEL, thick=0.01)


def rail(s: Sketch, rng: np.random.Generator) -> None:
    """A track that runs to the horizon over sleepers."""
    near, far, y0 = rng.uniform(0.3, s.width - 0.3), rng.uniform(0.3, s.width - 0.3), 0.62
    bed = shade(rng, (105, 95, 85))
    s.shape(far - 0.05, y0, far + 0.05, y0, near + 0.42, 1.05, near - 0.42, 1.05, fill=bed)
    for t in np.linspace(0.05, 1, 9) ** 1.6:
        x, half, y = far + (near - far) * t, 0.05 + 0.3 * t, y0 + 0.42 * t
        s.line(x - half, y, x + half, y, fill=shade(rng, (70, 50, 38), 10), thick=0.008 + 0.025 * t)
    for side in (-1, 1):
        s.line(far + side * 0.02, y0, near + side * 0.24, 1.05, fill=(215, 218, 222), thick=0.02)


def tree(s: Sketch, rng: np.random.Generator) -> None:
    """One or two round crowns on trunks."""
    for _ in range(rng.integers(1, 3)):
        x, top, size = (
            rng.uniform(0.14, s.width - 0.14),
            rng.uniform(0.25, 0.4),
            rng.uniform(0.25, 0.38),
        )
        s.box(x - 0.025, top, 0.05, 0.48, shade(rng, (95, 65, 40)))
        for _ in range(9):
            dx, dy = rng.uniform(-0.36, 0.36, 2) * size
            s.oval(x + dx, top + dy, 0.55 * size, 0.5 * size, shade(rng, (50, 120, 45), 28))


def fountain(s: Sketch, rng: np.random.Generator) -> None:
    """A stone basin with arcs of water."""
    x, y, w = rng.uniform(0.2, s.width - 0.2), rng.uniform(0.72, 0.85), rng.uniform(0.4, 0.55)
    stone = shade(rng, (175, 170, 160))
    s.oval(x, y, w, 0.17, stone)
    s.oval(x, y - 0.015, 0.86 * w, 0.11, (120, 185, 215))
    s.box(x - 0.02, y - 0.2, 0.04, 0.2, stone)
    t = np.linspace(0, 1, 8)
    for reach in np.array([-0.4, -0.25, 0.25, 0.4]) * w:
        ys = y - 0.18 - 4 * 0.16 * t * (1 - t) + 0.17 * t
        s.line(*np.stack([x + reach * t, ys], axis=1).ravel(), fill=(225, 242, 250), thick=0.014)


def traffic_light(s: Sketch, rng: np.random.Generator) -> None:
    """Red, amber and green in a black case on a pole, one of them lit."""
    x, y, size = rng.uniform(0.12, s.width - 0.24), rng.uniform(0.1, 0.25), rng.uniform(0.09, 0.13)
    s.box(x + 0.4 * size, y, 0.2 * size, 0.85 - y, (70, 72, 75))
    s.pill(x, y, size, 2.7 * size, (18, 18, 20))
    lit = rng.integers(3)
    for i, colour in enumerate([(255, 45, 35), (255, 190, 30), (45, 235, 90)]):
        dim = (colour[0] // 4, colour[1] // 4, colour[2] // 4)
        centre = y + (0.5 + 0.85 * i) * size
        s.oval(x + size / 2, centre, 0.7 * size, 0.7 * size, colour if i == lit else dim)


def bench(s: Sketch, rng: np.random.Generator) -> None:
    """Wooden slats on two iron legs."""
    x, y, w = rng.uniform(0, s.width - 0.45), rng.uniform(0.66, 0.78), rng.uniform(0.36, 0.5)
    slat = shade(rng, WOOD, 30)
    for leg in (0.08, 0.92):
        s.line(x + leg * w, y - 0.02, x + leg * w, y + 0.2, fill=(40, 40, 42), thick=0.022)
    for dy in (0, 0.042, 0.1):
        s.box(x, y + dy, w, 0.026, slat)
    s.box(x - 0.015, y + 0.126, w + 0.03, 0.016, shade(rng, (90, 60, 35), 12))


def _wheels(s: Sketch, xs: tuple[float, float], y: float, size: float) -> None:
    for x in xs:
        s.oval(x, y, size, size, RUBBER)
        s.oval(x, y, 0.45 * size, 0.45 * size, STEEL)


def bus(s: Sketch, rng: np.random.Generator) -> None:
    """A long box with a row of windows, a door and two wheels."""
    w, h, y = rng.uniform(0.6, 0.75), rng.uniform(0.27, 0.33), rng.uniform(0.42, 0.52)
    x = rng.uniform(-0.15, s.width - 0.8 * w)
    s.pill(x, y, w, h, any_colour(rng, 60, 240))
    for i in range(5):
        s.box(x + w * (0.04 + 0.155 * i), y + 0.14 * h, 0.13 * w, 0.38 * h, shade(rng, GLASS, 12))
    s.box(x + 0.83 * w, y + 0.14 * h, 0.12 * w, 0.8 * h, (60, 75, 90))
    _wheels(s, (x + 0.2 * w, x + 0.72 * w), y + h, 0.1)


def car(s: Sketch, rng: np.random.Generator) -> None:
    """One or two cars: a low body, a cabin and wheels."""
    for _ in range(rng.integers(1, 3)):
        w, y, paint = rng.uniform(0.32, 0.45), rng.uniform(0.62, 0.78), any_colour(rng, 20, 245)
        x = rng.uniform(-0.08, s.width - 0.75 * w)
        roof = (x + 0.18 * w, y, x + 0.32 * w, y - 0.09, x + 0.7 * w, y - 0.09, x + 0.84 * w, y)
        s.shape(*roof, fill=paint)
        s.box(x + 0.33 * w, y - 0.075, 0.16 * w, 0.07, GLASS)
        s.box(x + 0.53 * w, y - 0.075, 0.16 * w, 0.07, GLASS)
        s.pill(x, y, w, 0.1, paint)
        s.oval(x + 0.96 * w, y + 0.035, 0.03, 0.03, (255, 245, 180))
        _wheels(s, (x + 0.22 * w, x + 0.78 * w), y + 0.1, 0.085)


def seat(s: Sketch, rng: np.random.Generator) -> None:
    """A row of upholstered seats seen from behind."""
    w, y, cloth = rng.uniform(0.17, 0.22), rng.uniform(0.6, 0.7), any_colour(rng, 20, 170)
    x = rng.uniform(0, max(0.1, s.width - 3.4 * w))
    for i in range(3):
        left = x + 1.15 * w * i
        s.pill(left, y, w, 0.3, cloth)
        s.pill(left + 0.2 * w, y - 0.08, 0.6 * w, 0.11, shade(rng, (225, 220, 210), 12))
        s.line(
            left + 0.15 * w, y + 0.16, left + 0.85 * w, y + 0.16, fill=(235, 200, 60), thick=0.014
        )
    s.box(x - 0.02, y + 0.27, 3.4 * w, 0.03, (50, 50, 54))


def suitcase(s: Sketch, rng: np.random.Generator) -> None:
    """One or two ribbed trolley cases with raised handles."""
    for _ in range(rng.integers(1, 3)):
        x, y, w, h = rng.uniform(0.12, s.width - 0.27), rng.uniform(0.62, 0.7), 0.15, 0.22
        for dx in (0.03, w - 0.03):
            s.line(x + dx, y, x + dx, y - 0.13, fill=(60, 60, 64), thick=0.012)
        s.line(x + 0.03, y - 0.13, x + w - 0.03, y - 0.13, fill=(30, 30, 32), thick=0.022)
        s.pill(x, y, w, h, any_colour(rng, 20, 220))
        for dx in (0.035, 0.075, 0.115):
            s.line(x + dx, y + 0.02, x + dx, y + h - 0.02, fill=(20, 20, 24), thick=0.008)
        for dx in (0.03, w - 0.03):
            s.oval(x + dx, y + h + 0.015, 0.035, 0.035, RUBBER)


def person(s: Sketch, rng: np.random.Generator) -> None:
    """One to four standing people."""
    for _ in range(rng.integers(1, 5)):
        x, h = rng.uniform(0.14, s.width - 0.14), rng.uniform(0.36, 0.56)
        top = rng.uniform(0.86, 0.97) - h
        trousers = any_colour(rng, 15, 110)
        for side in (-1, 1):
            s.box(x + side * 0.055 * h - 0.04 * h, top + 0.52 * h, 0.08 * h, 0.48 * h, trousers)
        s.pill(x - 0.14 * h, top + 0.17 * h, 0.28 * h, 0.4 * h, any_colour(rng))
        skin = shade(rng, (205, 155, 120), 40)
        s.oval(x, top + 0.09 * h, 0.15 * h, 0.18 * h, skin)
        s.oval(x, top + 0.035 * h, 0.16 * h, 0.09 * h, shade(rng, (60, 42, 30), 25))


def display_board(s: Sketch, rng: np.random.Generator) -> None:
    """A hanging black board with rows of glowing letters."""
    w, h, rows = rng.uniform(0.38, 0.52), rng.uniform(0.17, 0.24), rng.integers(3, 5)
    x, y = rng.uniform(0.02, s.width - w), rng.uniform(0.06, 0.14)
    for dx in (0.15, 0.85):
        s.line(x + dx * w, 0, x + dx * w, y, fill=(90, 90, 94), thick=0.016)
    s.box(x, y, w, h, (12, 12, 18))
    glow = shade(rng, (255, 170, 30), 20)
    for j in range(rows):
        gx, line_y = x + 0.02, y + h * (j + 0.3) / rows
        while gx < x + w - 0.07:
            word = rng.uniform(0.02, 0.07)
            s.box(gx, line_y, word, 0.4 * h / rows, glow)
            gx += word + 0.018


def handrail(s: Sketch, rng: np.random.Generator) -> None:
    """A bright pole from floor to ceiling with a bar and hanging loops."""
    x, y = rng.uniform(0.15, s.width - 0.15), rng.uniform(0.05, 0.12)
    metal = shade(rng, (245, 200, 40) if rng.random() < 0.5 else (200, 205, 212), 12)
    s.line(0, y, s.width, y, fill=metal, thick=0.03)
    s.line(x, 0, x, 1, fill=metal, thick=0.045)
    s.line(x - 0.01, 0, x - 0.01, 1, fill=(255, 255, 245), thick=0.01)
    for loop in np.arange(rng.uniform(0.05, 0.2), s.width, 0.27):
        s.line(loop, y, loop - 0.03, y + 0.13, loop + 0.03, y + 0.13, loop, y, fill=(35, 35, 38))


DRAWINGS: tuple[Callable[[Sketch, np.random.Generator], None], ...] = tuple(
    globals()[name] for name in OBJECTS
)
