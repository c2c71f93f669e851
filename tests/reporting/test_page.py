import csv
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from avsc.reporting import page
from avsc.reporting.figures import plain
from tests.pipeline.project import ROOT
from tests.reporting.conftest import CITY, CLIP, DATA, NAMES, SCENE, SCENES, SYSTEM, SYSTEMS, Run

UNITS = {"%": 0.01}  # what the text of a number ends in, and its worth


class Reader(HTMLParser):
    """Everything a browser would find in a page: elements, their attributes and their text."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self.open = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", "within": list(self.open), **dict(attrs)}
        self.elements.append(element)
        if tag not in ("meta", "link", "input", "img"):
            self.open.append(element)

    def handle_endtag(self, tag):
        while self.open and self.open.pop()["tag"] != tag:
            pass

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag, **attributes):
        return [
            e
            for e in self.elements
            if e["tag"] == tag and all(e.get(k) == v for k, v in attributes.items())
        ]


@pytest.fixture(scope="session")
def found(html):
    return Reader(html)


def resolve(root, source):
    """Return what stands at `<path>#<JSON pointer>`."""
    path, _, pointer = source.rpartition("#")
    file = (ROOT if path.startswith("avsc/") else root) / path
    text = file.read_text("utf-8")
    value = json.loads(text) if file.suffix == ".json" else list(csv.DictReader(text.splitlines()))
    for part in pointer.removeprefix("/").split("/"):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def shown(text):
    """Return the number that a text shows, and the unit of its last place."""
    digits, _, percent = text.partition("%")
    places = len(digits.partition(".")[2])
    worth = UNITS["%"] if percent == "" and "%" in text else 1
    return float(digits) * worth, worth * 10**-places


def test_every_number_is_the_one_in_the_file_that_it_names(run, found):
    numbers = found.all("data")
    assert len(numbers) > 200
    for n in numbers:
        expected = float(resolve(run.root, n["data-source"]))
        assert float(n["value"]) == expected, n["data-source"]
        if n["text"].startswith("<"):
            assert expected == 0
            continue
        value, unit = shown(n["text"])
        if n["data-source"].endswith(("/accuracy_percent", "/published_accuracy")):
            value, unit = 100 * value, 100 * unit
        assert abs(value - expected) <= unit / 2 + 1e-12, n["data-source"]


def test_every_cell_of_digits_says_where_they_are_from(found):
    cells = [c for c in found.all("td") if re.fullmatch(r"[\s\d.,%+<to-]+", c["text"])]
    numbers = [n for n in found.all("data") if any(e["tag"] == "td" for e in n["within"])]
    assert len(cells) > 100
    inside = {id(e) for n in numbers for e in n["within"]}
    assert [c["text"] for c in cells if id(c) not in inside] == []


def test_a_table_holds_numbers_of_one_data_set_and_one_protocol(run, found):
    tables = found.all("table")
    assert len(tables) > 20
    for table in tables:
        numbers = [n for n in found.all("data") if any(e is table for e in n["within"])]
        seen = set()
        for n in numbers:
            path, _, pointer = n["data-source"].rpartition("#")
            row = resolve(run.root, f"{path}#{pointer.rpartition('/')[0]}") if "csv" in path else {}
            if "published_" in pointer or "studies/" in path:
                seen.add(next((p for p in ("segment_", "clip_") if p in pointer), None))
            elif path.endswith(".json"):
                seen.add(next((p for p in ("segment", "clip") if f"/{p}/" in pointer), None))
            else:
                seen.add((row["data"], row.get("protocol")))
        protocols = {str(s[1] if isinstance(s, tuple) else s).strip("_") for s in seen} - {"None"}
        sets = {s[0] for s in seen if isinstance(s, tuple)}
        assert len(protocols) <= 1
        assert len(sets) <= 1
        caption = next(c["text"] for c in found.all("caption") if table in c["within"])
        assert all(p in caption for p in protocols), caption
        assert all(s in caption for s in sets), caption


def test_ours_and_published_numbers_stand_in_tables_of_their_own_names(found):
    captions = [c["text"] for c in found.all("caption")]
    for protocol in ("segment", "clip"):
        assert f"TAU, published · {protocol} protocol" in captions
        assert f"{DATA} · {protocol} protocol: our systems" in captions
    assert all(c.startswith((f"{DATA} · ", "TAU, published · ")) for c in captions)


def test_published_numbers_are_those_of_protocol_and_average_that_they_are_filed_under():
    rows = {
        (r["protocol"], r["system"], r["source"]): (r["log_loss"], r["accuracy_percent"])
        for r in (record.fields for record in page.published())
    }
    assert rows["segment", "Joint, best single system", "Chen et al."] == ("0.1517", "94.59")
    assert rows["clip", "CEOA + SF, tuned", "Hou et al."] == ("0.192", "94.10")
    assert rows["clip", "Official baseline, proposed", "Wang et al."] == ("", "84.8")
    micro = [r.fields for r in page.published() if r["average"] == "micro"]
    assert {(r["protocol"], r["source"]) for r in micro} == {("clip", "Feng")}
    assert {r["data"] for r in page.published()} == {"TAU"}


def test_systems_stand_in_the_order_of_their_log_loss(found):
    (table,) = (
        t
        for t in found.all("table")
        if t["text"].strip().startswith(f"{DATA} · clip protocol: our systems")
    )
    heads = [h["text"] for h in found.all("th", scope="row") if table in h["within"]]
    assert heads == ["early", SYSTEM]


def test_an_interval_that_is_not_known_whole_is_a_dash(found):
    (table,) = (
        t
        for t in found.all("table")
        if t["text"].strip().startswith(f"{DATA} · segment protocol: our systems")
    )
    assert "95 % bootstrap" in table["text"]
    assert "95 % jackknife" not in table["text"]
    assert "1.125 to 1.500" in table["text"]


def figures(found):
    return json.loads(found.all("script", id="figures")[0]["text"])


def test_confusion_figures_show_the_counts_of_their_files(found):
    plots = {
        i: f for i, f in figures(found).items() if f["data"][0].get("text") == [[0, 1], [3, 4]]
    }
    assert len(plots) == len(SYSTEMS) * 2
    for plot in plots.values():
        assert plot["data"][0]["y"] == [plain(SCENE), "park"]
        assert plot["data"][0]["z"] == [[0, 1], [3 / 7, 4 / 7]]


def test_every_figure_names_a_file_and_has_its_data(found):
    drawn = [e for e in found.all("div") if e.get("class") == "plot"]
    assert {e["id"] for e in drawn} == set(figures(found))
    for e in drawn:
        assert e["within"][-1]["data-source"].startswith("metrics/")


def test_names_from_files_never_become_elements(html, found):
    assert not found.all("img")
    assert not found.all("svg")
    assert not found.all("b")
    assert not found.all("i")
    assert sorted(s.get("type", "code") for s in found.all("script")) == [
        *2 * ["application/json"],
        *4 * ["code"],
    ]
    assert "onerror=alert(1)>" not in html
    assert "onload=alert(3)>" not in html
    handlers = [k for e in found.elements for k in e if k.startswith("on")]
    assert handlers == []


def test_names_from_files_are_shown_as_they_are(found):
    heads = {h["text"] for h in found.all("th", scope="row")}
    assert {SCENE, SYSTEM, CITY, "A & <b>B"} <= heads
    assert SYSTEM in {o["text"] for o in found.all("option")}
    (button,) = found.all("button", **{"data-clip": CLIP})
    assert button["text"] == CLIP
    browser = json.loads(found.all("script", id="browser")[0]["text"])
    assert browser["clips"][0]["about"]["clip_id"] == CLIP
    assert browser["scenes"] == SCENES


def test_scripts_run_by_their_digest_alone_and_nothing_comes_from_elsewhere(found):
    (policy,) = (m["content"] for m in found.all("meta") if "http-equiv" in m)
    assert policy.startswith("default-src 'none'")
    code = [s["text"] for s in found.all("script") if "type" not in s]
    assert policy.count("'sha256-") == len(code) == 4
    assert all(page.digest(script) in policy for script in code)
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")
    links = [e.get("src") or e.get("href") for e in found.elements]
    assert {link for link in links if link} == {"data:,", "#main"}


def test_plotly_is_in_the_page_once(html):
    assert len(re.findall(r"\* plotly\.js v\d", html)) == 1


def test_the_same_files_give_the_same_bytes(run, html):
    assert run.html() == html


def test_a_page_without_the_optional_files_has_the_tabs_of_those_that_are_there(run, tmp_path):
    (tmp_path / "metrics").mkdir()
    shutil.copy(run.root / "metrics/early.json", tmp_path / "metrics/early.json")
    reader = Reader(Run(tmp_path).html())
    tabs = [t["aria-controls"] for t in reader.all("button", role="tab")]
    assert tabs == ["leaderboard", "systems", "clips"]
    captions = [c["text"] for c in reader.all("caption")]
    assert f"{DATA} · segment protocol: our systems" in captions


def test_a_system_of_whole_clips_says_that_it_has_no_segments(run, tmp_path):
    content = json.loads((run.root / "metrics/early.json").read_text())
    del content["segment"]
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/early.json").write_text(json.dumps(content))
    reader = Reader(Run(tmp_path).html())
    notes = [p["text"] for p in reader.all("p", **{"class": "note"})]
    assert "No system has scores of the segment protocol." in notes
    assert any("whole clips" in n for n in notes)


def test_what_params_do_not_name_is_not_shown(run):
    names = NAMES | {"systems": ["early"], "map": []}
    reader = Reader(run.html(names))
    heads = {h["text"] for h in reader.all("th", scope="row")}
    assert SYSTEM not in heads
    assert "maps" not in {t["aria-controls"] for t in reader.all("button", role="tab")}


def test_numbers_of_another_data_set_are_refused(run):
    with pytest.raises(ValueError, match=r"is of data set 'toy <i>& co', the page of 'TAU 2021'"):
        run.html(data="TAU 2021")


def test_only_the_demo_world_is_called_synthetic(run, html, tmp_path):
    assert "The demo world is synthetic" not in html
    shutil.copytree(run.root / "metrics", tmp_path / "metrics")
    for path in (tmp_path / "metrics").rglob("*.*"):
        path.write_text(path.read_text().replace(DATA, "demo"))
    assert "The demo world is synthetic" in Run(tmp_path).html(data="demo")


def test_a_large_map_is_thinned_evenly_and_says_so(run):
    reader = Reader(run.html(map_points=2))
    drawn = figures(reader)["maps-0"]["data"]
    assert [trace["x"] for trace in drawn] == [[0.0], [1.0]]
    notes = [p["text"] for p in reader.all("p", **{"class": "note"})]
    assert "The map has more points; these are evenly spaced." in notes


def test_points_of_a_map_carry_their_names_and_their_scene(found):
    drawn = figures(found)["maps-0"]["data"]
    assert [t["name"] for t in drawn] == [plain(SCENE), "park"]
    assert drawn[1]["text"] == ["park-1, second 0", "park-2, second 0"]
    names = [b["text"].strip() for b in found.all("button") if b.get("class") == "group"]
    assert names == [*SCENES, "events", "objects"]


def test_published_values_of_a_study_stand_under_their_own_protocol(found):
    tables = [t["text"] for t in found.all("table") if "modules: cells" in t["text"]]
    assert len(tables) == 2
    with_published = [t for t in tables if "TAU, published" in t]
    assert len(with_published) == 1
    assert "beside published values of TAU" in with_published[0]
    assert "clip protocol" in with_published[0]
    assert "clips" in with_published[0]
