import json
import resource

import pytest
from typer.testing import CliRunner

from avsc.artifacts import metrics
from avsc.cli import app
from avsc.reporting import leaderboard


def scores(log_loss, accuracy):
    return {"log_loss": log_loss, "accuracy": accuracy}


EARLY = {"data": "demo", "segment": scores(0.75, 0.5), "clip": scores(0.5, 0.625)}
AUDIO = {"data": "demo", "segment": scores(1.25, 0.25), "clip": scores(1.0, 0.375)}
CLIP_ONLY = {"data": "demo", "clip": scores(0.1, 0.875)}
TAGGER = {"data": "demo", "mAP": 0.75, "chance": 0.125, "train_loss": 0.5}
DENSITY = {"labels_per_item": 1.5, "classes_used": 7}
TRUTH = {"precision": 0.75, "recall": 0.25, "mAP": 0.5, "chance": 0.125}
LABELS = {"data": "demo", "events": DENSITY | TRUTH, "objects": DENSITY}
DECODE = {"data": "demo", "clips": 300, "quarantined": 2}
MARK = "| demo: systems on the test fold |"


def cells(found):
    """Return the cells of each line of each table."""
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        for table in leaderboard.markdown(found).split("\n\n")
    ]


def names(table):
    return [row[0] for row in table[2:]]


def test_systems_stand_in_the_order_of_their_segment_log_loss():
    (table,) = cells({"audio": AUDIO, "early": EARLY})
    assert table == [
        [
            "demo: systems on the test fold",
            "segment log-loss",
            "segment accuracy",
            "clip log-loss",
            "clip accuracy",
        ],
        ["---", "--:", "--:", "--:", "--:"],
        ["early", "0.750", "50.0%", "0.500", "62.5%"],
        ["audio", "1.250", "25.0%", "1.000", "37.5%"],
    ]


def test_the_order_is_of_numbers_before_they_are_rounded():
    better = EARLY | {"segment": scores(0.74999, 0.5)}
    (table,) = cells({"a": EARLY, "b": better})
    assert names(table) == ["b", "a"]
    assert table[2][1] == table[3][1] == "0.750"


def test_systems_with_equal_scores_stand_in_the_order_of_their_names():
    (table,) = cells({"b": EARLY, "c": EARLY, "a": EARLY})
    assert names(table) == ["a", "b", "c"]


def test_a_system_of_whole_clips_stands_after_all_others_however_good():
    (table,) = cells({"whole": CLIP_ONLY, "audio": AUDIO})
    assert table[2:] == [
        ["audio", "1.250", "25.0%", "1.000", "37.5%"],
        ["whole", "-", "-", "0.100", "87.5%"],
    ]


def test_two_data_sets_never_share_a_table():
    one, other = cells({"early": EARLY, "audio": AUDIO | {"data": "tau2021"}})
    assert (one[0][0], names(one)) == ("demo: systems on the test fold", ["early"])
    assert (other[0][0], names(other)) == ("tau2021: systems on the test fold", ["audio"])


def test_files_of_other_stages_are_no_systems():
    found = {"pretrain/ast": TAGGER, "pseudo_labels": LABELS, "decode": DECODE, "early": EARLY}
    systems, taggers, labels, media = cells(found)
    assert names(systems) == ["early"]
    assert taggers[2:] == [["ast", "0.750", "0.125", "0.500"]]
    assert labels[2] == ["events", "1.5", "7", "0.750", "0.250", "0.500", "0.125"]
    assert media[2:] == [["decode", "300", "2"]]
    titles = [table[0][0] for table in (taggers, labels, media)]
    assert titles == ["demo: taggers on held-out items", "demo: pseudo-labels", "demo: media"]


def test_pseudo_labels_without_truth_have_dashes_for_what_needs_it():
    (table,) = cells({"pseudo_labels": LABELS})
    assert table[3] == ["objects", "1.5", "7", *"----"]


def test_every_row_has_a_cell_for_each_header():
    found = {"pretrain/ast": TAGGER, "pseudo_labels": LABELS, "decode": DECODE, "early": EARLY}
    for table in cells(found | {"whole": CLIP_ONLY}):
        assert len({len(row) for row in table}) == 1


def test_a_file_of_another_shape_is_left_out():
    assert names(cells({"early": EARLY, "other": {"data": "demo"}, "list": [1]})[0]) == ["early"]


def test_no_scores_are_an_error():
    with pytest.raises(ValueError, match="none of 1 metrics files holds scores; run `dvc repro`"):
        leaderboard.markdown({"other": {}})


@pytest.mark.parametrize(
    ("damage", "lacking"),
    [
        ({"clip": {"accuracy": 0.5}}, "clip.log_loss"),
        ({"segment": {"log_loss": 0.5}}, "segment.accuracy"),
        ({"data": None}, "data"),
    ],
)
def test_a_system_that_lacks_a_score_is_named(damage, lacking):
    with pytest.raises(ValueError, match=f"'early' lack {lacking}; run `dvc repro -f score@early`"):
        leaderboard.markdown({"early": EARLY | damage})


def test_what_is_between_the_marks_is_replaced_and_nothing_else():
    page = f"before\n{leaderboard.BEGIN}\nold\n{leaderboard.END}\nafter\n"
    new = leaderboard.replaced(page, "one\n\ntwo")
    assert new == f"before\n{leaderboard.BEGIN}\none\n\ntwo\n{leaderboard.END}\nafter\n"
    assert leaderboard.block(new) == "one\n\ntwo"
    assert leaderboard.replaced(new, "one\n\ntwo") == new


@pytest.mark.parametrize(
    "page",
    [
        "no marks",
        leaderboard.BEGIN,
        f"{leaderboard.END} {leaderboard.BEGIN}",
        2 * f"{leaderboard.BEGIN} {leaderboard.END}",
    ],
)
def test_a_page_without_one_place_for_the_results_is_refused(page):
    with pytest.raises(ValueError, match=r"the page has \d <!-- results --> and \d .*expected one"):
        leaderboard.replaced(page, "")


@pytest.fixture
def run(tmp_path):
    """Return `avsc results` over a folder of two systems, a tagger and tables that are no JSON."""
    root = tmp_path / "metrics"
    for name, m in {"early": EARLY, "audio": AUDIO}.items():
        metrics.write(root / f"{name}.json", {k: v for k, v in m.items() if k != "data"})
        metrics.write_table(root / f"{name}/scores.csv", [{"data": m["data"], "items": 1}])
    metrics.write_table(root / "pretrain/ast.csv", [TAGGER])

    def run(*options):
        command = ["results", "--metrics", str(tmp_path / "metrics"), *options]
        return CliRunner().invoke(app, command)

    return run


def test_the_command_prints_the_tables(run):
    done = run()
    assert done.exit_code == 0
    found = {"early": EARLY, "audio": AUDIO, "pretrain/ast": TAGGER}
    assert done.stdout == leaderboard.markdown(found) + "\n"


def test_the_command_updates_a_page(run, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Ü\n{leaderboard.BEGIN}\n{leaderboard.END}\n", "utf-8")
    done = run("--update", str(page))
    assert (done.exit_code, done.stdout) == (0, "")
    assert page.read_text("utf-8").startswith(f"# Ü\n{leaderboard.BEGIN}\n{MARK}")


def test_the_command_leaves_a_page_without_marks_as_it_is(run, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    done = run("--update", str(page))
    assert (done.exit_code, page.read_text()) == (1, "nothing")
    assert done.stderr.startswith("error: the page has 0 <!-- results -->")


def test_the_command_names_a_file_that_is_damaged(run, tmp_path):
    (tmp_path / "metrics/early.json").write_text('{"clip": ')
    done = run()
    assert done.exit_code == 1
    assert "metrics/early.json is no JSON (Expecting value" in done.stderr


def profile(folder, *, data, **sections):
    blocks = {"train": {}, "ensemble": {}, "pretrain": {}, **sections}
    (folder / "params.yaml").write_text(json.dumps({"data": data, **blocks}))


def test_the_command_leaves_out_what_another_profile_left_behind(run, tmp_path):
    profile(tmp_path, data=EARLY["data"], train={"early": {}})
    done = run()
    assert done.stdout == leaderboard.markdown({"early": EARLY}) + "\n"
    assert done.stderr == "not of the active profile, and left out: audio, pretrain/ast\n"


def test_the_command_leaves_out_scores_of_another_data_set_under_the_same_name(run, tmp_path):
    profile(tmp_path, data="mine", train={"early": {}, "audio": {}})
    path = tmp_path / "metrics/audio.json"
    mine = AUDIO | {"data": "mine"}
    path.write_text(json.dumps(mine))
    done = run()
    assert done.stdout == leaderboard.markdown({"audio": mine}) + "\n"
    assert done.stderr == "not of the active profile, and left out: early, pretrain/ast\n"


@pytest.mark.parametrize("value", ["x", [1], float("nan"), float("inf"), -0.5, True, {"a": 1}])
def test_score_that_is_no_number_of_its_range_names_the_system(value):
    expected = r"metrics of \'early\': clip\.log_loss is .*, expected a number from 0 on; run"
    with pytest.raises(ValueError, match=expected):
        leaderboard.markdown({"audio": AUDIO, "early": EARLY | {"clip": scores(value, 0.5)}})


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        (
            "early",
            EARLY | {"clip": scores(0.5, 99.9)},
            r"\'early\': clip\.accuracy is 99\.9",
        ),
        ("pretrain/ast", TAGGER | {"mAP": 1.5}, r"\'pretrain/ast\': mAP is 1\.5"),
        ("decode", DECODE | {"clips": "many"}, r"'decode': clips is 'many'"),
        ("labels", LABELS | {"events": DENSITY | {"recall": -1}}, r"\'labels\': recall is -1"),
        ("labels", LABELS | {"objects": "x"}, r"\'labels\' have no scores of objects"),
    ],
)
def test_every_table_refuses_numbers_out_of_range(name, content, where):
    with pytest.raises(ValueError, match=where):
        leaderboard.markdown({name: content})


def test_names_do_not_break_tables():
    page = leaderboard.markdown({"early": EARLY | {"data": "a|b <!-- results -->"}})
    title, _, row = page.splitlines()
    assert title.startswith(r"| a\|b &lt;!-- results -->: systems")
    assert title.count("|") - 1 == row.count("|")


def test_page_stays_as_it_was_where_the_new_one_cannot_be_written(tmp_path):
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/early.json").write_text(json.dumps(EARLY))
    page = tmp_path / "page.md"
    page.write_text(text := f"a\n{leaderboard.BEGIN}\n{leaderboard.END}\n" + "b\n" * 2000)
    asked = ["results", "--metrics", str(tmp_path / "metrics"), "--update", str(page)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        done = CliRunner().invoke(app, asked)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert done.exit_code == 1
    assert "page.md could not be written (File too large)" in done.stderr
    assert page.read_text() == text
    assert CliRunner().invoke(app, asked).exit_code == 0
    assert "| early | 0.750 |" in page.read_text()
