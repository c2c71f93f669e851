"""The page in headless Chromium, from disk: what a reader sees and can do."""

import json
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from avsc.reporting import page as report
from avsc.reporting.blocks import FORMS, Number
from tests.reporting.conftest import CITY, CLIP, LABELS, SCENE, SCENES, SYSTEM
from tests.reporting.test_page import resolve

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium"),
]
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def file(html, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(html, "utf-8")
    return path.as_uri()


@pytest.fixture
def load(chromium, file):
    """Return a function that opens the page; what goes wrong in it fails the test."""
    contexts, trouble = [], []

    def load(*, viewport=WIDE, color_scheme="light", part=""):
        context = chromium.new_context(viewport=viewport, color_scheme=color_scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: trouble.append(f"{m.type}: {m.text}"))
        page.on("pageerror", lambda e: trouble.append(f"error: {e}"))
        page.on("dialog", lambda d: trouble.append(f"dialog: {d.message}"))
        local = (file, "data:")
        page.on("request", lambda r: r.url.startswith(local) or trouble.append(f"asks {r.url}"))
        page.goto(file + part)
        return page

    yield load
    for context in contexts:
        context.close()
    assert trouble == []


def sections(page):
    return [t.get_attribute("aria-controls") for t in page.get_by_role("tab").all()]


def plotted(page, plot):
    """Return the ids of the traces that a drawn figure shows."""
    return page.evaluate("id => document.getElementById(id).data.map(t => t.visible ?? true)", plot)


def test_every_part_opens_without_errors_and_without_asking_anything_of_a_network(load):
    page = load()
    names = sections(page)
    assert names == [
        *("leaderboard", "systems", "compare", "fusion", "robustness"),
        *("studies", "maps", "inputs", "clips"),
    ]
    for name in names:
        page.locator(f"#tab-{name}").click()
        expect(page.locator(f"#{name}")).to_be_visible()
        expect(page.locator("[role=tabpanel]:visible")).to_have_count(1)
        for plot in page.locator(f"#{name} .plot:visible").all():
            expect(plot.locator("svg.main-svg").first).to_be_visible()


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_no_part_is_wider_than_the_screen(load, viewport, color_scheme):
    page = load(viewport=viewport, color_scheme=color_scheme)
    for name in sections(page):
        page.locator(f"#tab-{name}").click()
        for protocol in report.systems.PROTOCOLS:
            if page.locator(".protocol").is_visible():
                page.locator(f"input[value={protocol}]").check()
            size = "[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]"
            root, body, inner = page.evaluate(size)
            assert max(root, body) <= inner == viewport["width"], name


def test_numbers_on_the_page_are_those_of_the_files(load, run):
    page = load()
    read = "all => all.map(e => [e.dataset.source, e.value, e.textContent])"
    numbers = page.locator("data[data-source]").evaluate_all(read)
    assert len(numbers) > 200
    for source, value, text in numbers:
        expected = resolve(run.root, source)
        assert float(value) == float(expected)
        assert text in {str(Number(expected, source, form)) for form in FORMS}, source


def test_the_protocol_is_one_for_all_parts_and_the_other_is_not_seen(load):
    page = load()
    captions = page.locator("caption:visible, figcaption:visible")
    assert captions.filter(has_text="segment protocol").count() == 3
    assert captions.filter(has_text="clip protocol").count() == 0
    page.get_by_label("clip", exact=True).first.check()
    assert captions.filter(has_text="segment protocol").count() == 0
    assert captions.filter(has_text="clip protocol").count() == 3
    page.locator("#tab-robustness").click()
    assert captions.filter(has_text="segment protocol").count() == 0
    page.locator("#tab-maps").click()
    expect(page.locator(".protocol")).to_be_hidden()


def test_a_system_is_chosen_by_its_name(load):
    page = load(part="#systems")
    captions = page.locator("#systems figcaption:visible").filter(has_text="reliability")
    expect(captions).to_contain_text("· early")
    page.locator("#choose-system").select_option(SYSTEM)
    expect(captions).to_have_count(1)
    expect(captions).to_contain_text(f"· {SYSTEM}")


def test_tabs_are_reached_and_changed_by_the_keyboard_alone(load):
    page = load()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Tab")
    expect(page.locator("#theme")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#tab-leaderboard")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tab-systems")).to_be_focused()
    expect(page.locator("#systems")).to_be_visible()
    page.keyboard.press("End")
    expect(page.locator("#clips")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#leaderboard")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("input[value=segment]")).to_be_focused()
    outline = "e => getComputedStyle(e.nextElementSibling).outlineStyle"
    assert page.locator("input[value=segment]").evaluate(outline) == "solid"
    page.keyboard.press("ArrowRight")
    expect(page.locator("input[value=clip]")).to_be_checked()


def test_every_control_has_a_name(load):
    page = load(part="#clips")
    nameless = """() => [...document.querySelectorAll("button, select, input:not([type=hidden])")]
        .filter(e => !(e.textContent.trim() || e.labels?.length || e.ariaLabel
            || [...e.querySelectorAll("img")].some(i => i.alt)))
        .map(e => e.outerHTML)"""
    assert page.evaluate(nameless) == []


def test_the_theme_follows_the_system_until_it_is_chosen_and_is_kept(load):
    page = load(color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    ticks = page.locator("#leaderboard .plot:visible .xtick text").first
    in_dark = ticks.evaluate("e => getComputedStyle(e).fill")
    page.locator("#theme").click()
    light = page.evaluate(background)
    assert sum(json.loads(f"[{light[4:-1]}]")) > 600 > 200 > sum(json.loads(f"[{dark[4:-1]}]"))
    assert ticks.evaluate("e => getComputedStyle(e).fill") != in_dark
    page.reload()
    assert page.evaluate(background) == light


def test_points_of_one_scene_are_switched_off_and_on(load):
    page = load(part="#maps")
    button = page.get_by_role("button", name=SCENE, exact=True).first
    assert plotted(page, "maps-0") == [True, True]
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert plotted(page, "maps-0") == [False, True]
    expect(page.locator("#maps-0 .scatterlayer .trace")).to_have_count(1)
    page.locator("#theme").click()
    assert plotted(page, "maps-0") == [False, True]
    page.get_by_role("button", name="none", exact=True).first.click()
    assert plotted(page, "maps-0") == [False, False]
    button.focus()
    page.keyboard.press("Space")
    assert plotted(page, "maps-0") == [True, False]


def test_a_point_of_a_map_tells_its_name(load):
    page = load(part="#maps")
    page.locator("#maps-0 .scatterlayer .trace").nth(1).locator(".point").first.hover(force=True)
    expect(page.locator("#maps-0 .hoverlayer")).to_contain_text("park-1, second 0")
    page.locator("#choose-map").select_option("classes")
    expect(page.locator("#maps-1 .scatterlayer text", has_text="tree")).to_be_visible()
    expect(page.locator("#maps-1 .scatterlayer text").first).to_have_text(SCENE)


def rows(page, name):
    return page.locator("#clip-sheet tr", has=page.locator("th").get_by_text(name, exact=True))


def test_the_clip_browser_shows_pictures_sound_tags_and_every_system(load):
    page = load(part="#clips")
    expect(page.locator("#clip")).to_have_value(CLIP)
    images = page.locator("#clip-sheet img")
    assert images.evaluate_all("all => all.every(i => i.complete && i.naturalWidth > 0)")
    expect(page.locator("#clip-sheet td button")).to_have_count(3)
    expect(rows(page, "early").first.locator("td")).to_have_text(["75", "13", "50"])
    expect(rows(page, "hum").locator("td")).to_have_text(["50", "13", "25"])
    whole = rows(page, SYSTEM).first.locator("td")
    expect(whole).to_have_text(["25"])
    expect(whole).to_have_attribute("colspan", "3")
    expect(page.locator(".sheet .cell.wrong")).to_have_text(["13", "25"])
    expect(page.locator("#clip-sheet dd")).to_have_text(
        [CLIP, SCENE, CITY, LABELS[0]["location"], "none", f"early: park, {SYSTEM}: park"]
    )


def test_a_second_of_a_clip_is_shown_large(load):
    page = load(part="#clips")
    large = page.locator(".sheet-top img")
    before = large.get_attribute("src")
    page.get_by_role("button", name="second 2").click()
    expect(large).to_have_attribute("alt", "the picture of second 2")
    assert large.get_attribute("src") != before


def test_a_systems_name_opens_and_closes_all_its_scenes(load):
    page = load(part="#clips")
    button = page.locator("#clip-sheet").get_by_role("button", name=SYSTEM)
    expect(button).to_have_attribute("aria-expanded", "false")
    hidden = page.locator("#clip-sheet tr.sub:visible")
    expect(hidden).to_have_count(len(SCENES))  # of the first system
    button.click()
    expect(hidden).to_have_count(2 * len(SCENES))
    expect(hidden.last.locator("td")).to_have_text(["75"])
    button.click()
    expect(hidden).to_have_count(len(SCENES))


def test_clips_are_stepped_through_and_filtered(load):
    page = load(part="#clips")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#clip")).to_have_value("park-1")
    expect(page.locator("#clip-sheet dd").first).to_have_text("park-1")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#clip")).to_have_value(CLIP)
    page.locator("#clip-scene").select_option("park")
    expect(page.locator("#clip option")).to_have_text(["park-1"])
    page.locator("#clip-scene").select_option("")
    page.locator("#clip-wrong").select_option("early")
    expect(page.locator("#clip option")).to_have_text([CLIP])
    page.locator("#clip-scene").select_option("park")
    expect(page.locator("#clip-sheet")).to_have_text("No clip is so.")


def test_a_clip_behind_a_cell_of_the_fusion_analysis_opens_in_the_clip_browser(load):
    page = load(part="#fusion")
    page.get_by_label("clip", exact=True).first.check()
    page.get_by_text("both right, fused right").click()
    expect(page.locator(".clip-lists li")).to_have_text([CLIP, "not on the page"])
    page.locator(".clip-lists").get_by_role("button").click()
    expect(page.locator("#clips")).to_be_visible()
    expect(page.locator("#clip")).to_have_value(CLIP)


def test_hostile_names_are_text_wherever_a_script_puts_them(load):
    page = load(part="#systems")
    ticks = page.locator("#systems .plot:visible .ytick text")
    assert SCENE in ticks.all_text_contents()
    page.locator("#tab-clips").click()
    assert page.locator("img[src=x], svg[onload]").count() == 0
    assert page.evaluate("[...document.images].every(i => i.src.startsWith('data:image/'))")
    assert SCENE in page.locator("#clip-scene option").all_text_contents()


def test_without_javascript_the_tables_are_there(chromium, file):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file)
    assert page.locator("table:visible").count() > 20
    context.close()
