import subprocess
import sys

import stages


def test_what_a_stage_refuses_is_told_with_what_it_worked_on_and_without_traceback(capsys):
    try:
        error = ValueError("the loss is nan; lower fit.lr")
        error.add_note("while it worked on wild, seed 1")
        raise error
    except ValueError as raised:
        stages.tell(ValueError, raised, raised.__traceback__)
    first, second, where = capsys.readouterr().err.splitlines()
    assert first == "error: the loss is nan; lower fit.lr"
    assert second == "while it worked on wild, seed 1"
    assert where.startswith("(test_telling.py:")
    assert "shows the traceback" in where


def test_control_characters_of_names_do_not_reach_the_terminal(capsys, monkeypatch):
    try:
        error = ValueError("no clip 'a\x1b]0;title\x07'")
        error.add_note("while it worked on b\x1b[2J")
        raise error
    except ValueError as raised:
        stages.tell(ValueError, raised, raised.__traceback__)
        monkeypatch.setenv("AVSC_DEBUG", "1")
        stages.tell(ValueError, raised, raised.__traceback__)
    told = capsys.readouterr().err
    assert told.count("no clip 'a\\x1b]0;title\\x07'") == 2
    assert told.count("b\\x1b[2J") == 2
    assert "\x1b" not in told


def test_control_characters_in_warnings_of_a_stage_are_escaped():
    done = subprocess.run(
        [sys.executable, "-m", "tests.stages.warning"], capture_output=True, text=True, check=True
    )
    assert done.stderr == "made again: a\\x1b[2J\n"
