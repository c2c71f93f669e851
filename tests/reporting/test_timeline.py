import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from avsc.reporting import timeline, timeline_page
from avsc.reporting.timeline import Panel

SVG = "{http://www.w3.org/2000/svg}"


def jpeg():
    file = io.BytesIO()
    Image.new("RGB", (32, 18), (255, 0, 0)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def panel():
    def make(seconds=2, title="clip.mp4", scenes=("bus", "park"), pictures=()):
        probs = np.tile([0.25, 0.75], (seconds, 1))
        spans = tuple((k, k + 1) for k in range(seconds))
        return Panel(title, "early, trained on demo", scenes, spans, probs, probs.mean(0), pictures)

    return make


def words(svg):
    return [t.text for t in ET.fromstring(svg).iter(f"{SVG}text")]


def test_colours_go_from_pale_to_dark():
    assert timeline.colour_of(0.0) == "#f1f5fa"
    assert timeline.colour_of(0.5) == "#4292c6"
    assert timeline.colour_of(1.0) == "#08306b"


def test_a_drawing_has_a_cell_for_each_second_and_the_whole_of_each_scene(panel):
    svg = timeline.svg([panel()])
    means = [t.text for t in ET.fromstring(svg).iter(f"{SVG}title")]
    assert means == [
        *("park, whole file: 75.0%", "park, 0 to 1 s: 75.0%", "park, 1 to 2 s: 75.0%"),
        *("bus, whole file: 25.0%", "bus, 0 to 1 s: 25.0%", "bus, 1 to 2 s: 25.0%"),
    ]
    assert words(svg).count("75") == 3
    assert {"clip.mp4", "early, trained on demo", "park", "bus", "0 s", "2"} <= set(words(svg))


def test_cells_fill_the_width_and_pictures_stay_within(panel):
    root = ET.fromstring(timeline.svg([panel(seconds=37, pictures=(jpeg(),) * 37)]))
    boxes = [r for r in root.iter(f"{SVG}rect") if r.find(f"{SVG}title") is not None]
    right = max(float(r.get("x")) + float(r.get("width")) for r in boxes)
    assert right == pytest.approx(timeline.RIGHT, abs=1.1)
    photos = list(root.iter(f"{SVG}image"))
    assert len(photos) > 3
    assert max(float(p.get("x")) + float(p.get("width")) for p in photos) <= timeline.RIGHT


def test_names_cannot_inject_markup(panel):
    evil = "</script><script>alert(1)</script>"
    panels = [panel(title=f"{evil}\x1b", scenes=(evil, "park"))]
    assert evil in "".join(words(timeline.svg(panels)))  # as text, in well-formed XML
    page = timeline_page.html(panels)
    assert "<script>alert" not in page
    assert "alert(1)" in page


def test_the_png_shows_dark_cells_where_the_scene_is_probable(panel):
    sure = panel()
    sure = Panel(
        **{**vars(sure), "probs": np.array([[0.0, 1.0]] * 2), "whole": np.array([0.0, 1.0])}
    )
    image = np.array(Image.open(io.BytesIO(timeline.png([sure], zoom=1))))
    assert image.shape == (timeline.GAP + sure.height, timeline.WIDTH, 3)
    colours, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
    found = {tuple(c): n for c, n in zip(colours.tolist(), counts.tolist(), strict=True)}
    assert found[(8, 48, 107)] > 10_000
    assert found[(241, 245, 250)] > 10_000


def test_panels_stand_below_one_another(panel):
    one, two = (timeline.png([panel()] * n, zoom=1) for n in (1, 2))
    heights = [Image.open(io.BytesIO(p)).height for p in (one, two)]
    assert heights[1] - heights[0] == panel().height


def test_the_page_needs_no_network(panel):
    page = timeline_page.html([panel(), panel()])
    assert page.count("Plotly.newPlot(") >= 2
    assert 'src="http' not in page
    assert "<link" not in page.partition("<script")[0]
