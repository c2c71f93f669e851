"""The report at the end of the toy pipeline."""

import networkx
import pytest
from dvc.repo import Repo

from tests.reporting.test_page import Reader, resolve

pytestmark = pytest.mark.slow


def test_the_report_comes_after_every_other_stage(reproduced):
    graph = Repo(str(reproduced.root)).index.graph
    (report,) = (s for s in graph if s.name == "report")
    assert networkx.descendants(graph, report) == set(graph) - {report}


def test_numbers_of_the_report_are_those_of_the_metrics(reproduced):
    page = Reader((reproduced.root / "reports/index.html").read_text("utf-8"))
    numbers = page.all("data")
    assert len(numbers) > 200
    for n in numbers:
        assert float(n["value"]) == float(resolve(reproduced.root, n["data-source"]))
    tabs = {t["aria-controls"] for t in page.all("button", role="tab")}
    assert tabs == {
        *("leaderboard", "systems", "compare", "fusion", "robustness"),
        *("studies", "maps", "inputs", "clips"),
    }


def test_a_report_of_no_system_is_refused(toy):
    toy.edit(report__systems=12 * ["none"])
    failed = toy.run("python", "-m", "stages.report", check=False)
    assert failed.returncode == 1
    assert "report.systems: names nothing; name at least one" in failed.stderr
