"""Both sides of each benchmark do the same work; how fast they are is for `make bench` to say."""

import subprocess
import sys
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench import _floor, _page, _table, _turns
from bench._table import markdown, names

CLOSE = {  # the largest difference that two ways of computing the same may have, by benchmark
    "ast_segments": 1e-5,
    "decode": 3.0,  # of 255, the rounding from YUV to RGB
    "encoder_forward": 1e-4,
    "extraction": 1e-5,
    "feature_store": 0.0,
    "front_ends": 1e-3,
    "head_training": 1e-5,
    "one_decode": 0.0,
    "scalogram": 1e-4,
    "seeds": 0.0,
    "semantic_fusion": 1e-5,
    "whole_extraction": 1e-5,
}


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", CLOSE)
def test_both_sides_give_the_same(name):
    rows = import_module(f"bench.{name}").results(quick=True)
    found = [row["difference"] for row in rows if row["difference"] is not None]
    assert found
    assert max(found) <= CLOSE[name]


def test_pictures_found_from_keyframes_are_those_of_full_decoding(tmp_path):
    decode, path, times = (
        import_module("bench.decode"),
        tmp_path / "a.mp4",
        [Fraction(1, 2), Fraction(3, 2)],
    )
    decode.encode(path, gop=12, size=(160, 96), frames=2 * decode.FPS)
    pictures = decode.ours(path, times)
    assert len(pictures) == 2
    np.testing.assert_array_equal(pictures, decode.in_full(path, times))


@pytest.mark.slow
@pytest.mark.nightly
def test_the_scaling_curve_has_a_row_for_each_size_and_one_of_slopes():
    rows = import_module("bench.scaling").results(quick=True)
    names = [row["clips"] for row in rows]
    assert names == ["50", "100", "200", "1000 more", "start", "R2", "last"]
    assert all(row["peak MB"] > 0 for row in rows[:3])


@pytest.mark.slow
@pytest.mark.nightly
def test_the_memory_of_a_process_is_not_that_of_its_larger_parent():
    own = "from bench._memory import peak_bytes; print(peak_bytes())"
    parent = f"""
import subprocess, sys
held = bytearray(b"1" * 2 * 10**9)
print(subprocess.check_output([sys.executable, "-c", {own!r}], text=True))
"""
    root = Path(__file__).parents[2]
    found = subprocess.check_output([sys.executable, "-c", parent], cwd=root, text=True)
    assert 10**7 < int(found) < 2 * 10**9


@pytest.mark.slow
@pytest.mark.nightly
def test_the_demo_run_is_timed_anew_unchanged_elsewhere_and_after_a_change():
    rows = import_module("bench.dag").results(quick=True)
    assert [row["work"] for row in rows] == [
        "nothing",
        "another clone that shares the cache",
        "one head trained longer",
    ]


def test_every_benchmark_is_tested_here():
    assert {*CLOSE, "dag", "profile_cost", "scaling", "startup", "training_cost"} == set(names())


def test_a_line_that_grows_by_three_from_two_has_slope_three_and_start_two():
    found = import_module("bench.scaling").line([1, 2, 4], [5.0, 8.0, 14.0])
    assert (found.slope, found.start, found.at(10)) == pytest.approx((3.0, 2.0, 32.0))
    assert found.explained == pytest.approx(1.0)


def test_a_line_explains_nothing_of_what_goes_up_and_down_alike():
    found = import_module("bench.scaling").line([1, 2, 3], [2.0, 1.0, 2.0])
    # of weights 1/4, 1, 1/4 the mean is 4/3, and no slope is better than none
    assert (found.slope, found.start, found.explained) == pytest.approx((0, 4 / 3, 0), abs=1e-12)


def test_the_table_tells_slope_start_fit_and_what_a_clip_costs_at_the_end():
    scaling = import_module("bench.scaling")
    found = [{"both_s": 1 + 0.01 * n, "peak MB": 2.0 * n} for n in (100, 300, 900)]
    *sizes, slope, start, fit, last = scaling._rows((100, 300, 900), found)
    assert [row["off the line"] for row in sizes] == pytest.approx([0, 0, 0], abs=1e-9)
    assert (slope["both_s"], slope["peak MB"]) == pytest.approx((10, 2000))
    assert (start["both_s"], start["peak MB"]) == pytest.approx((1, 0), abs=1e-9)
    assert (fit["both_s"], fit["peak MB"]) == ("1.0000", "1.0000")
    assert (last["both_s"], last["peak MB"]) == ("0.83", "1.00")  # 10 / 900 over 4 / 300 is 5 / 6


def test_the_first_turn_gives_the_results_and_the_others_the_seconds(monkeypatch):
    clock = iter([0.0, 1.0, 1.0, 11.0, 11.0, 14.0, 14.0, 34.0, 34.0, 36.0, 36.0, 66.0])
    monkeypatch.setattr(_turns.time, "perf_counter", lambda: next(clock))
    order = []
    sides = {"a": lambda: order.append("a") or len(order), "b": lambda: order.append("b")}
    given, seconds = _turns.in_turns(sides, repeats=3)
    assert order == ["a", "b"] * 4
    assert given["a"] == 1
    assert seconds == {"a": 2.0, "b": 20.0}  # medians of 1 3 2 and 10 20 30


def test_arrays_of_another_shape_differ_without_end():
    assert _turns.difference([1, 2], [1, 2, 3]) == float("inf")
    assert _turns.difference([1, 2], [1, 4.5]) == 2.5


def test_a_row_has_the_ratio_where_both_sides_were_measured():
    assert _turns.compared("work", "other", 0.5, 2.0)["ratio"] == 4.0
    assert _turns.compared("work", "other", None, 2.0)["ratio"] is None


def test_a_row_says_how_much_of_its_time_the_products_alone_would_take():
    assert _turns.compared("work", "other", 0.5, 2.0, floor_s=0.25)["floor / ours"] == 0.5
    assert _turns.compared("work", "other", None, 2.0, floor_s=0.25)["floor / ours"] is None


def test_arithmetic_is_that_of_products_forward_and_backward_and_inside_attention():
    net, x = torch.nn.Linear(4, 3), torch.ones(5, 4)
    assert _floor.flop(lambda: net(x)) == 2 * 5 * 4 * 3
    assert _floor.flop(lambda: net(x).sum().backward()) == 2 * 2 * 5 * 4 * 3  # and of the weights
    q = torch.ones(1, 2, 6, 8)  # (row, head, token, width): scores, then what they weigh
    attention = torch.nn.functional.scaled_dot_product_attention
    assert _floor.flop(lambda: attention(q, q, q)) == 2 * 2 * 6 * 6 * 8 * 2


def test_the_rate_of_products_is_their_arithmetic_over_the_best_time(monkeypatch):
    seconds = iter([4.0, 2.0, *[8.0] * 6])
    monkeypatch.setattr(_floor, "seconds_of", lambda _: next(seconds))
    assert _floor.flop_per_s(side=10) == 2 * 10**3 / 2.0


def test_an_epoch_of_the_baseline_s_classifier_has_the_arithmetic_of_its_layers():
    first, others = 1024 * 512, 512 * 128 + 128 * 64 + 64 * 10
    # forward and weights, and of all but the first layer its input
    expected = 2 * (2 * first + 3 * others)
    assert import_module("bench.head_training").flop_a_segment() == expected


def test_a_table_leaves_out_columns_without_a_value():
    row = _turns.compared("work", "other", 0.0005, 2.0, reach=3.0)
    head, rule, line = markdown([row]).splitlines()
    assert [c.strip() for c in head.split("|")[1:-1]] == [
        "work", "instead of", "ours", "instead", "ratio", "to reach"
    ]  # fmt: skip
    assert [c.strip() for c in line.split("|")[1:-1]] == [
        "work", "other", "0.5 ms", "2 s", "4000", "3"
    ]  # fmt: skip
    assert len(head) == len(rule) == len(line)


def test_the_facts_name_processor_cores_amx_and_torch():
    assert {"CPU", "cores", "AMX", "torch"} <= set(_table.machine())


def test_the_command_line_writes_the_tables_it_is_asked_for(monkeypatch, tmp_path, capsys):
    page = tmp_path / "new/benchmarks.md"
    monkeypatch.setattr(sys, "argv", ["bench", "scalogram", "--quick", "--output", str(page)])
    _table.main()
    assert "quick: the numbers mean nothing" in page.read_text()
    assert "## Scalogram: 290 wavelet bands" in page.read_text()
    assert "| 120 frames x 167 bands" in capsys.readouterr().out


FACTS = {"CPU": "one", "load when it began": "0.5"}


def test_named_benchmark_replaces_its_section_and_keeps_others():
    page = _page.merged(_page.top(FACTS, quick=False), {"A: a.": "old", "C: c.": "kept"}, FACTS)
    later = FACTS | {"load when it began": "0.7"}
    found = _page.merged(page, {"A: a.": "new", "B: b.": "added"}, later)
    assert found == (
        "# Benchmarks\n\n- CPU: one\n- load when it began: 0.5\n"
        "\n## A: a.\n\nnew\n\n## B: b.\n\nadded\n\n## C: c.\n\nkept\n"
    )


def test_section_measured_on_another_machine_names_it():
    page = _page.merged(_page.top(FACTS, quick=False), {"A: a.": "old"}, FACTS)
    found = _page.merged(page, {"B: b.": "added"}, FACTS | {"CPU": "two"})
    assert found.endswith("## B: b.\n\n- CPU: two\n- load when it began: 0.5\n\nadded\n")


def test_startup_measures_help_and_the_imports_of_a_stage():
    rows = import_module("bench.startup").results(quick=True)
    assert [row["work"] for row in rows] == ["avsc --help", "import stages.bundle"]
    assert all(row["took_s"] > 0 and row["CPU_s"] > 0 for row in rows)


def test_an_unknown_benchmark_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", "teleport"])
    with pytest.raises(SystemExit):
        _table.main()
    assert "invalid choice: 'teleport'" in capsys.readouterr().err


def test_what_was_measured_is_written_though_a_later_benchmark_fails(tmp_path):
    def failing(**_):
        raise MemoryError

    row = _turns.compared("work", "other", 1.0, 2.0)
    page, fine = tmp_path / "page.md", SimpleNamespace(__doc__="Fine.", results=lambda **_: [row])
    with pytest.raises(MemoryError):
        _table.run([fine, SimpleNamespace(results=failing)], quick=True, output=page)
    assert "## Fine.\n" in page.read_text()
