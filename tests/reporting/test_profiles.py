"""What dvc.yaml, the profiles and the templates of `dvc plots` say of the report fits together."""

import json

import pytest
import yaml

from tests.pipeline.project import ROOT

PROFILES = {p.parent.name: p for p in sorted((ROOT / "params").glob("*/params.yaml"))}
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
TEMPLATES = {p.stem: p.read_text() for p in (ROOT / ".dvc/plots").glob("*.json")}
OF_BOTH_PROTOCOLS = {"by_protocol", "cells", "cities", "confusion_counts", "counts", "differences"}


def plots():
    """Return {path of a csv: its properties} of every plot of the pipeline."""
    stages = [s.get("do", s) for s in PIPELINE.values()]
    return {path: p for s in stages for plot in s.get("plots", []) for path, p in plot.items()}


@pytest.mark.parametrize("profile", PROFILES)
def test_the_clip_browser_shows_systems_that_are_trained(profile):
    tree = yaml.safe_load(PROFILES[profile].read_text())
    shown = tree["report"]["systems"]
    assert len(shown) == sum("report.systems" in dep for dep in PIPELINE["report"]["deps"])
    assert set(shown) <= {*tree["train"], *tree["ensemble"], "none"}
    real = [s for s in shown if s != "none"]
    assert len(set(real)) == len(real)


def test_every_template_that_a_plot_names_is_there_or_of_dvc():
    named = {p["template"] for p in plots().values() if "template" in p}
    assert named - set(TEMPLATES) <= {"bar_horizontal", "scatter", "linear"}
    assert set(TEMPLATES) <= named


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_a_chart_over_the_plots_own_data(name):
    chart = json.loads(TEMPLATES[name])
    assert chart["$schema"].startswith("https://vega.github.io/schema/vega-lite/")
    assert chart["data"] == {"values": "<DVC_METRIC_DATA>"}
    assert '"rev"' in TEMPLATES[name]  # or revisions would not be told apart


@pytest.mark.parametrize("name", sorted(OF_BOTH_PROTOCOLS | {"intervals", "reliability"}))
def test_a_chart_of_both_protocols_keeps_them_apart(name):
    facet = json.loads(TEMPLATES[name])["facet"]
    assert "protocol" in {channel["field"] for channel in facet.values()}
