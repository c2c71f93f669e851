import json

import pytest

from avsc.artifacts import metrics
from avsc.artifacts.results import read_table


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.126138, 1.1261),
        (0.57875, 0.5787),  # to even, as floats round
        (-0.32428249, -0.3243),
        (0.0012345, 0.0012),
        (1.8312e-07, 1.83e-07),
        (0.00001, 1e-05),
        (0.0, 0.0),
        (16, 16),
        (None, None),
    ],
)
def test_numbers_have_four_decimals_and_small_ones_three_digits(tmp_path, value, written):
    metrics.write(tmp_path / "a.json", {"clip": {"score": value}})
    assert json.loads((tmp_path / "a.json").read_text())["clip"]["score"] == written
    metrics.write_table(tmp_path / "a.csv", [{"score": value}])
    (row,) = read_table(tmp_path / "a.csv")
    assert row["score"] == ("" if written is None else str(written))
