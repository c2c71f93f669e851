"""docs/artifacts.md beside dvc.yaml: which stages write and read what lies under data/."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LABELS = ("data/${item.labels}",)
STAGES = {
    name: stage.get("do", stage)
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"].items()
}


def rows():
    """Return {what lies under data/: (stages that write it, stages that read it)}."""
    page = (ROOT / "docs/artifacts.md").read_text("utf-8")
    table = page.partition("## Under data/")[2].partition("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return {name_of(row[0].strip("`")): (stages_in(row[-2]), stages_in(row[-1])) for row in cells}


def name_of(path):
    """Return the part of a path that all entries share."""
    return re.split(r"[<$]", path.removeprefix("data/"))[0].rstrip("/")


def stages_in(cell):
    return set(re.findall(r"`(\w+)`", cell))


def paths(items):
    """Return the paths of deps or outs, with or without options."""
    return [next(iter(item)) if isinstance(item, dict) else item for item in items]


def stages_with(key, name):
    """Return the stages among whose outs or deps, in dvc.yaml, `name` is."""
    return {
        stage
        for stage, block in STAGES.items()
        for path in paths(block.get(key, []))
        if path.startswith("data/")
        and (name == "pseudo_labels.parquet" if path in LABELS else name_of(path) == name)
    }


NAMES = sorted(rows().keys() - {"raw"})  # DVC watches a path that params.yaml names


@pytest.mark.parametrize("name", NAMES)
def test_the_stages_that_read_a_file_are_those_of_dvc_yaml(name):
    assert rows()[name][1] == stages_with("deps", name)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"truth"}))  # of the demo, beside its media
def test_the_stages_that_write_a_file_are_those_of_dvc_yaml(name):
    assert rows()[name][0] == stages_with("outs", name)


def test_every_output_under_data_has_its_row():
    outs = {p for b in STAGES.values() for p in paths(b.get("outs", [])) if p.startswith("data/")}
    outs = {name_of(p) for p in outs}
    assert outs - rows().keys() == set()
